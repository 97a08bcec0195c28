// The command `halftone`: parses, starts Kokkos, runs one command, and turns every failure into one line.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <Kokkos_Core.hpp>
#include <array>
#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <new>
#include <string>

#include "commands.hpp"
#include "halftone/core/io/provenance.hpp"

namespace {

using namespace halftone::app;

constexpr int kFailure = 1, kUsage = 2;

constexpr const char* kFooter = R"(Examples:
  halftone demo                                       the whole idea on a real book, in seconds
  halftone mask --pattern local --density 0.1 --seq 16384 --heads 8 --out mask.h5 --png mask.png
  halftone activations --model model.h5 --tokens tokens.h5 --document books/00 --length 8192 --out qkv.h5
  halftone attend --activations qkv.h5 --pattern halftone --density 0.1 --dense-reference --out out.h5
  halftone inspect out.h5
'halftone COMMAND --help' explains a command.)";

int fail(std::string message, int code) {
  while (!message.empty() && message.back() == '\n') message.pop_back();
  for (std::size_t at; (at = message.find('\n')) != std::string::npos;) message.replace(at, 1, "; ");
  fmt::print(stderr, "halftone: error: {}\n", message);
  return code;
}

// The command line for files' provenance; the program's path says nothing about the result.
std::string command_line(int argc, char** argv) {
  std::string line = "halftone";
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool plain = !word.empty() && word.find_first_of(" \t\n'\"\\$*?;&|<>(){}[]#~`!") == std::string::npos;
    line += plain ? " " + word : fmt::format(" '{}'", word);
  }
  return line;
}

void start_kokkos_and(const std::function<void()>& run) {
  std::string name = "halftone", quiet = "--kokkos-disable-warnings";
  std::array<char*, 3> argv{name.data(), quiet.data(), nullptr};
  int argc = 2;
  const Kokkos::ScopeGuard kokkos(argc, argv.data());
  run();
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a write past a limit on file sizes fails with an error, as on a full disk
  Invocation invocation{command_line(argc, argv), {}};
  CLI::App program{"Sparse attention for long documents: patterns, kernels and their quality.", "halftone"};
  program.set_version_flag("--version", "halftone " + halftone::io::software_version());
  program.set_help_flag("-h,--help", "Explain the commands, or one command");
  program.get_formatter()->column_width(34);
  add_demo(program, invocation);
  add_mask(program, invocation);
  add_attend(program, invocation);
  add_activations(program, invocation);
  add_eval(program, invocation);
  add_calibrate(program, invocation);
  add_list(program, invocation);
  add_inspect(program, invocation);
  program.footer(kFooter);  // after the commands, which would take it over

  try {
    program.parse(argc, argv);
    if (!invocation.run) return fail("a command is missing; 'halftone --help' lists them", kUsage);
    start_kokkos_and(invocation.run);
    if (std::fflush(stdout) != 0) return fail("standard output: cannot write", kFailure);
    return 0;
  } catch (const CLI::Success& request) {  // --help, --version
    return program.exit(request);
  } catch (const CLI::ParseError& error) {
    const auto chosen = program.get_subcommands();
    const std::string command = chosen.empty() ? "halftone" : "halftone " + chosen.front()->get_name();
    return fail(fmt::format("{} ('{} --help' explains)", error.what(), command), kUsage);
  } catch (const UsageError& error) {
    return fail(error.what(), kUsage);
  } catch (const std::bad_alloc& error) {
    return fail(fmt::format("out of memory: {}", error.what()), kFailure);
  } catch (const std::exception& error) {
    return fail(error.what(), kFailure);
  }
}
