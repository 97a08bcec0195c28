#include "arguments.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "halftone/core/io/file.hpp"
#include "halftone/kernels/attention.hpp"
#include "halftone/kernels/halftone_selection.hpp"
#include "halftone/patterns/pattern.hpp"

namespace halftone::app {

namespace {

void check_name(std::string_view what, const std::string& name, const auto& table) {
  std::vector<std::string_view> names{"auto"};
  for (const auto& entry : table) names.push_back(entry.name);
  if (std::find(names.begin(), names.end(), name) != names.end()) return;
  throw UsageError(fmt::format("{}: got {}, expected one of {}", what, name, fmt::join(names, ", ")));
}

}  // namespace

CLI::Option* PatternArguments::add_to(CLI::App& command) {
  CLI::Option* option =
      command.add_option("--pattern", pattern, "Which pattern; 'halftone list' shows them")->type_name("NAME");
  command.add_option("--param", parameters, "A setting of the pattern, key=value; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command.add_option("--density", density, "Wanted share of the visible blocks, above 0, at most 1")
      ->type_name("SHARE")
      ->check(density_check());
  command
      .add_option("--calibration", calibration, "halftone: weights, gates and tolerance from 'halftone calibrate'")
      ->type_name("FILE");
  command.add_option("--seed", seed, "For random patterns")->type_name("N")->capture_default_str();
  return option;
}

void check_pattern(const std::string& pattern) {
  const auto table = patterns::pattern_table();
  if (std::any_of(table.begin(), table.end(), [&](const auto& info) { return info.name == pattern; })) return;
  std::vector<std::string_view> names;
  for (const auto& info : table) names.push_back(info.name);
  throw UsageError(fmt::format("pattern: got {}, expected one of {}", pattern, fmt::join(names, ", ")));
}

nlohmann::json parse_parameters(const std::vector<std::string>& entries) {
  nlohmann::json parameters = nlohmann::json::object();
  for (const std::string& entry : entries) {
    const std::size_t equals = entry.find('=');
    if (equals == 0 || equals == std::string::npos)
      throw UsageError(fmt::format("parameter of a pattern: got {}, expected key=value", entry));
    const std::string key = entry.substr(0, equals), text = entry.substr(equals + 1);
    if (parameters.contains(key))
      throw UsageError(fmt::format("parameter of a pattern: {} is given twice, expected it once", key));
    const nlohmann::json value = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    parameters[key] = value.is_discarded() ? nlohmann::json(text) : value;
  }
  return parameters;
}

PatternChoice PatternArguments::choice() const {
  check_pattern(pattern);
  PatternChoice choice{pattern, parse_parameters(parameters), density, seed};
  if (calibration.empty()) return choice;
  if (pattern != "halftone")
    throw UsageError(fmt::format("--calibration: got pattern {}, expected --pattern halftone", pattern));
  choice.calibration = io::read_calibration(calibration);
  return choice;
}

void PathArguments::add_to(CLI::App& command, bool selects) {
  command
      .add_option(
          "--attention-dtype", dtype,
          "Type of q, k, v in selection and attention: float32, float16 or bfloat16; the GPU's fast kernels take "
          "the 16-bit ones")
      ->type_name("TYPE")
      ->capture_default_str();
  if (selects)
    command.add_option("--selection", selection, "Of halftone's blocks: auto, cuda or kokkos")
        ->type_name("NAME")
        ->capture_default_str();
  command.add_option("--kernel", kernel, "auto, or a kernel that 'halftone list' shows")
      ->type_name("NAME")
      ->capture_default_str();
}

eval::AttentionPath PathArguments::path() const {
  const DType type = dtype_from_name(dtype);
  check_name("--selection", selection, selection_table());
  check_name("--kernel", kernel, kernel_table());
  return {type, selection, kernel};
}

CLI::Validator density_check() {
  return CLI::Validator(
      [](std::string& text) {
        double value = 0.0;
        const char* end = text.data() + text.size();
        const auto [stop, error] = std::from_chars(text.data(), end, value);
        const bool number = error == std::errc() && stop == end;
        return number && value > 0.0 && value <= 1.0
                   ? std::string()
                   : fmt::format("got {}, expected a number above 0 and at most 1", text);
      },
      "", "density");
}

void check_output(const std::string& path, bool force) {
  if (!force && std::filesystem::exists(std::filesystem::symlink_status(path)))
    throw UsageError(fmt::format("{}: exists already; choose another name, or add --force to replace it", path));
  io::require_writable(path);
}

CLI::Option* add_force(CLI::App& command, bool& force) {
  return command.add_flag("--force", force, "Replace output files that exist already");
}

}  // namespace halftone::app
