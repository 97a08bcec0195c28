// halftone calibrate: what the halftone pattern should know about a model, from documents.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "commands.hpp"
#include "halftone/core/io/calibration_file.hpp"
#include "halftone/core/io/model_file.hpp"
#include "halftone/core/io/tokens_file.hpp"
#include "halftone/eval/quality/calibration.hpp"
#include "progress.hpp"
#include "signals.hpp"
#include "table.hpp"

namespace halftone::app {

namespace {

struct Arguments {
  std::string model, tokens, out;
  std::vector<std::string> documents;
  PatternArguments pattern;  ///< halftone, its settings and the wanted density
  PathArguments path;
  std::int64_t length = 16384;
  bool sensitivity = false, force = false;
  int sweeps = 0;  ///< of the fit; 0: none
};

using Tokens = std::vector<std::int32_t>;

Tokens read_tokens(const Arguments& arguments, const std::string& name) {
  io::TokenDocument document = io::read_document(arguments.tokens, name);
  if (document.length < arguments.length)
    throw UsageError(fmt::format("{}: document {} has {} tokens, got --length {}, expected at most that",
                                 arguments.tokens, name, document.length, arguments.length));
  return {document.tokens.begin(), document.tokens.begin() + arguments.length};
}

std::string file_name(const std::string& path) { return std::filesystem::path(path).filename().string(); }

// Layers one after the other.
template <class Value, class Row>
std::vector<Value> flat(const std::vector<Row>& rows) {
  std::vector<Value> values;
  for (const Row& row : rows) values.insert(values.end(), row.begin(), row.end());
  return values;
}

io::CalibrationFile calibrate(const eval::LlamaModel& model, const std::vector<Tokens>& documents,
                              const PatternChoice& choice, const eval::AttentionPath& path, bool sensitivity,
                              int sweeps, Progress& progress) {
  const auto say = [&](std::string_view what) { progress.step(std::string(what)); };
  const eval::CalibrationData data(model, documents, say, path);
  progress.step("finding the tolerance and the gates");
  patterns::HalftoneOptions options = patterns::halftone_options(choice.parameters, choice.density);
  options.landmarks = true;
  eval::HeadWeights weights =
      sensitivity ? data.sensitive_head_weights(model, documents, options, choice.density, say) : data.head_weights();
  if (sweeps > 0) {
    const eval::FittedWeights fitted =
        data.fitted_head_weights(model, documents, choice.parameters, choice.density, weights, sweeps, say);
    progress.step(fmt::format("divergence from dense attention: {:.4f} before, {:.4f} after the fit",
                              fitted.divergence_before, fitted.divergence));
    weights = fitted.weights;
  }
  const eval::Calibration measured = data.calibrate(options, choice.density, weights);
  if (!(measured.tolerance > 0.0))
    throw InvalidArgument("density", fmt::format("{}", choice.density),
                          "one at which blocks with a score above 0 are left out");
  io::CalibrationFile file;
  file.layers = model.sizes().num_layers;
  file.heads = model.sizes().num_heads;
  file.head_weight = flat<float>(measured.head_weights);
  file.gate = flat<std::uint8_t>(measured.gates);
  file.tolerance = measured.tolerance;
  file.density = choice.density;
  file.parameters = choice.parameters.dump();
  return file;
}

void run(const Arguments& arguments, const std::string& command_line) {
  check_output(arguments.out, arguments.force);
  const PatternChoice choice = arguments.pattern.choice();
  const eval::AttentionPath path = arguments.path.path();
  std::vector<Tokens> documents;
  for (const std::string& name : arguments.documents) documents.push_back(read_tokens(arguments, name));

  Progress progress;
  progress.step("reading " + arguments.model);
  const eval::LlamaModel model(io::read_model(arguments.model));
  io::CalibrationFile file =
      calibrate(model, documents, choice, path, arguments.sensitivity, arguments.sweeps, progress);
  file.source = fmt::format("{} over {} tokens of {} from {}", file_name(arguments.model), arguments.length,
                            fmt::join(arguments.documents, ", "), file_name(arguments.tokens));

  progress.step("writing " + arguments.out);
  const DeferSignals whole_files;
  io::write_calibration(arguments.out, file, io::make_provenance(command_line));
  TextTable table{{"layer", "head weights", "landmarks"}, {}};
  for (std::int64_t layer = 0; layer < file.layers; ++layer) {
    const auto first = layer * file.heads;
    std::vector<std::string> weights, gates;
    for (std::int64_t h = 0; h < file.heads; ++h) {
      weights.push_back(fmt::format("{:.2f}", file.head_weight[first + h]));
      gates.push_back(file.gate[first + h] ? "on" : "off");
    }
    table.rows.push_back({fmt::format("{}", layer), fmt::format("{}", fmt::join(weights, " ")),
                          fmt::format("{}", fmt::join(gates, " "))});
  }
  fmt::print("{}\n{}: tolerance {:.4g} for a density of {}\n", table.to_string(), arguments.out, file.tolerance,
             percent(file.density));
}

}  // namespace

void add_calibrate(CLI::App& program, Invocation& invocation) {
  CLI::App* command = program.add_subcommand(
      "calibrate", "Measure head weights, landmark gates and the tolerance of the halftone pattern for a model");
  auto arguments = std::make_shared<Arguments>();
  Arguments& a = *arguments;
  a.pattern.pattern = "halftone";
  a.pattern.density = 0.1;
  command->add_option("--model", a.model, "Model file (HDF5)")->type_name("FILE")->required();
  command->add_option("--tokens", a.tokens, "Token file (HDF5)")->type_name("FILE")->required();
  command->add_option("--document", a.documents, "Calibration documents, such as books/05; may be repeated")
      ->type_name("NAME")
      ->required();
  command->add_option("--length", a.length, "Tokens to read of each document")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 32).description(""))
      ->capture_default_str();
  command->add_option("--density", a.pattern.density, "Wanted share of the visible blocks, above 0, at most 1")
      ->type_name("SHARE")
      ->check(density_check())
      ->capture_default_str();
  command->add_option("--param", a.pattern.parameters, "A setting of the pattern, key=value; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  a.path.add_to(*command, /*selects=*/false);
  command->add_flag("--sensitivity", a.sensitivity,
                    "Weigh heads also by what their error does to the model's predictions: better, for a forward pass "
                    "per head and document");
  command
      ->add_option("--fit", a.sweeps,
                   "Sweeps over the heads that fit their weights to the divergence of the predictions from dense "
                   "attention: better still, for up to two sparse passes per head, document and sweep (for a GPU)")
      ->type_name("SWEEPS")
      ->check(CLI::Range(0, 100).description(""));
  command->add_option("--out", a.out, "Calibration file to write")->type_name("FILE")->required();
  add_force(*command, a.force);
  command->footer(
      "Example:\n  halftone calibrate --model model.h5 --tokens tokens.h5 --document books/05 --document technical/05 "
      "\\\n"
      "    --param micro_block=8 --density 0.1 --out calibration.h5\n"
      "  halftone attend --pattern halftone --calibration calibration.h5 --landmarks --activations qkv.h5 --out "
      "out.h5");
  command->callback([&invocation, arguments] {
    invocation.run = [&invocation, arguments] { run(*arguments, invocation.command_line); };
  });
}

}  // namespace halftone::app
