// What the commands share on the command line.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "halftone/core/error.hpp"
#include "halftone/eval/quality/attention_path.hpp"
#include "selection.hpp"

namespace halftone::app {

/// The command line asks for something impossible (exit code 2; other errors: 1).
struct UsageError : Error {
  using Error::Error;
};

/// What parsing leaves behind: the work of the chosen command, run once Kokkos is up.
struct Invocation {
  std::string command_line;  ///< as typed, for the files' provenance
  std::function<void()> run;
};

/// The pattern asked for, and its settings.
struct PatternArguments {
  std::string pattern;
  std::vector<std::string> parameters;  ///< "key=value"
  double density = 0.0;                 ///< 0: as the parameters say
  std::uint64_t seed = 0;
  std::string calibration;  ///< a calibration file, or empty

  CLI::Option* add_to(CLI::App& command);  ///< returns the --pattern option

  /// What was asked for. Throws as check_pattern and parse_parameters do, UsageError for a calibration with another
  /// pattern than halftone, and FileError as io::read_calibration does.
  PatternChoice choice() const;
};

/// How attention runs within a model.
struct PathArguments {
  std::string dtype = "float32", selection = "auto", kernel = "auto";

  void add_to(CLI::App& command, bool selects);  ///< `selects`: with --selection

  /// Throws InvalidArgument and UsageError: names that nothing has.
  eval::AttentionPath path() const;
};

/// Throws UsageError unless the library has a pattern of that name.
void check_pattern(const std::string& pattern);

/// "key=value" each: values that read as JSON are taken as such, anything else is a string.
/// Throws UsageError: an entry without '=', a key twice.
nlohmann::json parse_parameters(const std::vector<std::string>& entries);

/// Whether a number is a density: above 0, at most 1.
CLI::Validator density_check();

/// Refuses, before the work, an output that could not be written or that exists already (unless `force`).
/// Throws UsageError and io::FileError.
void check_output(const std::string& path, bool force);

CLI::Option* add_force(CLI::App& command, bool& force);

}  // namespace halftone::app
