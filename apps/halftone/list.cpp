// halftone list: what this build can do.
#include <fmt/format.h>

#include <Kokkos_Core.hpp>
#include <array>
#include <string>
#include <vector>

#include "commands.hpp"
#include "halftone/core/io/provenance.hpp"
#include "halftone/kernels/attention.hpp"
#include "halftone/patterns/pattern.hpp"

namespace halftone::app {

namespace {

constexpr std::array kDTypes{DType::float32, DType::float16, DType::bfloat16};

void print_patterns() {
  fmt::print("Patterns\n");
  for (const patterns::PatternInfo& info : patterns::pattern_table()) {
    fmt::print("  {:<18}{}\n", info.name, info.summary);
    fmt::print("  {:<18}source: {}\n", "", info.source);
    fmt::print("  {:<18}cost: {}{}\n", "", info.complexity, info.needs_activations ? "; looks at the activations" : "");
    for (const patterns::ParameterInfo& parameter : info.parameters)
      fmt::print("  {:<18}  {} = {}: {}\n", "", parameter.name, parameter.default_value, parameter.description);
  }
}

// Whether a kernel serves an everyday request: causal, grouped heads of 128.
std::string refusal_of(const KernelEntry& kernel, DType dtype) {
  AttentionParams params;
  params.seq_q = params.seq_k = 4096;
  params.batch = 1;
  params.heads_q = 4;
  params.heads_kv = 2;
  params.dim = 128;
  params.scale = 0.088f;
  params.dtype = dtype;
  params.causal = true;
  params.q_stride = params.o_stride = {4 * 4096 * 128, 4096 * 128, 128};
  params.k_stride = params.v_stride = {2 * 4096 * 128, 4096 * 128, 128};
  return kernel.refusal(params);
}

void print_kernels() {
  fmt::print("Kernels, in order of preference (for a causal call with heads of 128)\n");
  for (const KernelEntry& kernel : kernel_table()) {
    fmt::print("  {:<12}{}\n", kernel.name, kernel.description);
    for (const DType dtype : kDTypes) {
      const std::string refusal = refusal_of(kernel, dtype);
      fmt::print("  {:<12}  {}: {}\n", "", name_of(dtype), refusal.empty() ? "available" : "not available: " + refusal);
    }
  }
}

void run() {
  const io::Provenance build = io::make_provenance("halftone list");
  print_patterns();
  fmt::print("\n");
  print_kernels();
  fmt::print("\nThis build\n");
  fmt::print("  {:<12}{}\n", "halftone", build.software_version);
  fmt::print("  {:<12}{}; runs on {}\n", "Kokkos", build.kokkos, ExecSpace::name());
  fmt::print("  {:<12}{}\n", "compiler", build.compiler);
  fmt::print("  {:<12}{}\n", "machine", build.machine);
}

}  // namespace

void add_list(CLI::App& program, Invocation& invocation) {
  CLI::App* command =
      program.add_subcommand("list", "Patterns with their parameters, kernels and whether they can run here");
  command->callback([&invocation] { invocation.run = run; });
}

}  // namespace halftone::app
