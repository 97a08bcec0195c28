// halftone eval: what patterns do to a model's predictions.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "commands.hpp"
#include "halftone/core/io/calibration_file.hpp"
#include "halftone/core/io/model_file.hpp"
#include "halftone/core/io/tokens_file.hpp"
#include "halftone/eval/quality/calibration.hpp"
#include "halftone/eval/quality/evaluation.hpp"
#include "progress.hpp"
#include "signals.hpp"
#include "table.hpp"

namespace halftone::app {

namespace {

struct Arguments {
  std::string model, tokens, tasks, head_weights, out;
  std::vector<std::string> documents, calibration, patterns;
  std::vector<double> densities;
  PathArguments path;
  std::int64_t length = 16384;
  std::uint64_t seed = 0;
  int position_bins = 8, resamples = 10000;
  double margin = 0.005;
  bool measure_heads = false, force = false;
};

io::TokenDocument beginning_of(const std::string& file, const std::string& name, std::int64_t length) {
  io::TokenDocument document = io::read_document(file, name);
  // The last token is only predicted.
  if (document.length < length + 1)
    throw UsageError(fmt::format("{}: document {} has {} tokens, got --length {}, expected at most {}", file, name,
                                 document.length, length, document.length - 1));
  document.tokens.resize(static_cast<std::size_t>(length + 1));
  return document;
}

/// Documents are the sampling unit, and those that calibrated anything must not be scored.
void check_distinct(const Arguments& arguments) {
  std::set<std::string> seen;
  for (const auto* names : {&arguments.calibration, &arguments.documents})
    for (const std::string& name : *names)
      if (!seen.insert(name).second)
        throw UsageError(
            fmt::format("document {}: given twice, expected once among --calibration and --documents", name));
}

std::vector<io::TokenDocument> documents_of(const Arguments& arguments) {
  std::vector<io::TokenDocument> documents;
  for (const std::string& name : arguments.documents)
    documents.push_back(beginning_of(arguments.tokens, name, arguments.length));
  if (!arguments.tasks.empty()) {
    for (const io::TokenDocument& listed : io::list_documents(arguments.tasks)) {
      io::TokenDocument task = io::read_document(arguments.tasks, listed.name);
      if (task.answers.empty())
        throw UsageError(fmt::format("{}: document {} asks nothing, expected answers", arguments.tasks, task.name));
      if (task.length != arguments.length + 1)
        throw UsageError(fmt::format("{}: document {} has {} tokens, expected {} for --length {}", arguments.tasks,
                                     task.name, task.length, arguments.length + 1, arguments.length));
      documents.push_back(std::move(task));
    }
  }
  return documents;
}

/// Takes a switch of this command out of a pattern's parameters.
bool take_flag(nlohmann::json& parameters, const char* name, bool otherwise) {
  const auto found = parameters.find(name);
  if (found == parameters.end()) return otherwise;
  if (!found->is_boolean()) throw UsageError(fmt::format("{}: got {}, expected true or false", name, found->dump()));
  const bool value = *found;
  parameters.erase(found);
  return value;
}

/// Takes the size of the mask's key blocks out of a pattern's parameters.
std::int32_t take_block_k(nlohmann::json& parameters) {
  const auto found = parameters.find("block_k");
  if (found == parameters.end()) return 64;
  if (*found != 64 && *found != 128)
    throw UsageError(fmt::format("block_k: got {}, expected 64 or 128", found->dump()));
  const std::int32_t value = *found;
  parameters.erase(found);
  return value;
}

enum class Far { none, gated, all };

/// Takes the landmarks out of halftone's parameters.
Far take_landmarks(nlohmann::json& parameters) {
  const auto found = parameters.find("landmarks");
  if (found == parameters.end()) return Far::none;
  const nlohmann::json value = *found;
  if (value != "all" && !value.is_boolean())
    throw UsageError(fmt::format("landmarks: got {}, expected true, false or all", value.dump()));
  parameters.erase(found);
  return value == "all" ? Far::all : value ? Far::gated : Far::none;
}

/// "NAME" or "NAME:key=value,..." or "NAME:{JSON}".
eval::SparseSetting parse_setting(const std::string& text) {
  const std::size_t colon = text.find(':');
  eval::SparseSetting setting;
  setting.label = text;
  setting.pattern = text.substr(0, colon);
  check_pattern(setting.pattern);
  if (colon == std::string::npos) return setting;
  const std::string rest = text.substr(colon + 1);
  if (rest.starts_with('{')) {
    setting.parameters = nlohmann::json::parse(rest, nullptr, /*allow_exceptions=*/false);
    if (!setting.parameters.is_object())
      throw UsageError(fmt::format("--pattern: got {}, expected a JSON object after the colon", text));
    return setting;
  }
  std::vector<std::string> entries;
  for (std::size_t begin = 0; begin <= rest.size();) {
    const std::size_t end = std::min(rest.find(',', begin), rest.size());
    entries.push_back(rest.substr(begin, end - begin));
    begin = end + 1;
  }
  setting.parameters = parse_parameters(entries);
  return setting;
}

/// Of a calibration file, or JSON.
eval::HeadWeights read_head_weights(const std::string& path, const io::ModelSizes& sizes) {
  if (path.ends_with(".h5")) {
    const io::CalibrationFile file = io::read_calibration(path);
    if (file.layers != sizes.num_layers || file.heads != sizes.num_heads)
      throw UsageError(fmt::format("{}: got head weights [{}, {}], expected the model's [{}, {}]", path, file.layers,
                                   file.heads, sizes.num_layers, sizes.num_heads));
    eval::HeadWeights weights;
    for (std::int64_t l = 0; l < file.layers; ++l)
      weights.emplace_back(file.head_weight.begin() + l * file.heads, file.head_weight.begin() + (l + 1) * file.heads);
    return weights;
  }
  std::ifstream file(path);
  const nlohmann::json table = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  const auto wrong = [&] {
    return UsageError(fmt::format("{}: expected a JSON array of {} layers with {} positive numbers each", path,
                                  sizes.num_layers, sizes.num_heads));
  };
  if (!table.is_array() || static_cast<std::int64_t>(table.size()) != sizes.num_layers) throw wrong();
  eval::HeadWeights weights;
  for (const nlohmann::json& layer : table) {
    if (!layer.is_array() || static_cast<std::int64_t>(layer.size()) != sizes.num_heads) throw wrong();
    weights.emplace_back();
    for (const nlohmann::json& value : layer) {
      if (!value.is_number() || !(value.get<float>() > 0.0f)) throw wrong();
      weights.back().push_back(value);
    }
  }
  return weights;
}

/// Every pattern at every density; halftone calibrated where there are documents for it.
std::vector<eval::SparseSetting> settings_of(const Arguments& arguments, const eval::LlamaModel& model,
                                             const eval::AttentionPath& path, Progress& progress) {
  eval::HeadWeights given;
  if (!arguments.head_weights.empty()) given = read_head_weights(arguments.head_weights, model.sizes());
  std::unique_ptr<eval::CalibrationData> calibration;
  if (!arguments.calibration.empty()) {
    std::vector<std::vector<std::int32_t>> documents;
    for (const std::string& name : arguments.calibration) {
      documents.push_back(beginning_of(arguments.tokens, name, arguments.length).tokens);
      documents.back().pop_back();
    }
    calibration = std::make_unique<eval::CalibrationData>(
        model, documents, [&](std::string_view what) { progress.step(fmt::format("calibration: {}", what)); }, path);
  }
  std::vector<eval::SparseSetting> settings;
  for (const std::string& text : arguments.patterns) {
    eval::SparseSetting base = parse_setting(text);
    base.seed = arguments.seed;
    base.block_k = take_block_k(base.parameters);
    const bool halftone = base.pattern == "halftone";
    const Far landmarks = halftone ? take_landmarks(base.parameters) : Far::none;
    const bool weigh = halftone && take_flag(base.parameters, "output_weights", true);
    if (landmarks != Far::none && !calibration)
      throw UsageError("landmarks: got no --calibration documents, expected some to choose the heads by");
    for (const double density : arguments.densities) {
      eval::SparseSetting setting = base;
      setting.label = fmt::format("{} {:g} %", text, 100.0 * density);
      setting.density = density;
      if (halftone && calibration) {
        progress.step("calibration: " + setting.label);
        patterns::HalftoneOptions options = patterns::halftone_options(setting.parameters, density);
        options.landmarks = landmarks == Far::gated;
        options.seed = arguments.seed;
        const eval::HeadWeights none;
        setting.calibration = calibration->calibrate(options, density,
                                                     !weigh          ? none
                                                     : given.empty() ? calibration->head_weights()
                                                                     : given,
                                                     setting.block_k);
        if (landmarks == Far::all)
          setting.calibration.gates.assign(static_cast<std::size_t>(model.sizes().num_layers),
                                           std::vector<bool>(static_cast<std::size_t>(model.sizes().num_heads), true));
        if (options.scope == patterns::ToleranceScope::call) setting.density = 0.0;
      }
      settings.push_back(std::move(setting));
    }
  }
  return settings;
}

std::string table_of(const io::Table& summary, bool losses, bool tasks) {
  const auto number = [&](const char* name, std::int64_t row) {
    return std::get<std::vector<double>>(summary.column(name).values)[row];
  };
  const auto& labels = std::get<std::vector<std::string>>(summary.column("setting").values);
  TextTable table;
  table.header = {"setting", "density"};
  if (losses)
    for (const char* name : {"loss +", "95 % interval", "p (first)", "p (= dense)", "KL", "agree"})
      table.header.push_back(name);
  if (tasks)
    for (const char* name : {"accuracy", "worst"}) table.header.push_back(name);
  for (const char* name : {"select", "attend", "in all"}) table.header.push_back(name);
  for (std::int64_t s = 0; s < summary.rows(); ++s) {
    std::vector<std::string> row{labels[s], percent(number("density", s))};
    if (losses) {
      row.push_back(fmt::format("{:.4f}", number("loss_increase", s)));
      row.push_back(fmt::format("{:.4f} to {:.4f}", number("loss_increase_low", s), number("loss_increase_high", s)));
      row.push_back(std::isnan(number("p_first_holm", s)) ? "-" : fmt::format("{:.3f}", number("p_first_holm", s)));
      row.push_back(fmt::format("{:.3f}", number("p_equivalence", s)));
      row.push_back(fmt::format("{:.4f}", number("kl", s)));
      row.push_back(percent(number("agreement", s)));
    }
    if (tasks) {
      row.push_back(percent(number("accuracy", s)));
      row.push_back(percent(number("accuracy_worst", s)));
    }
    row.push_back(duration(number("select_seconds", s)));
    row.push_back(duration(number("attend_seconds", s)));
    row.push_back(duration(number("seconds", s)));
    table.rows.push_back(std::move(row));
  }
  return table.to_string();
}

void run(const Arguments& arguments, const std::string& command_line) {
  check_output(arguments.out, arguments.force);
  if (arguments.documents.empty() && arguments.tasks.empty())
    throw UsageError("eval: got neither --documents nor --tasks, expected one of them");
  if (arguments.tokens.empty() && !(arguments.documents.empty() && arguments.calibration.empty()))
    throw UsageError("--tokens: missing, expected the file with the documents");
  check_distinct(arguments);
  const eval::AttentionPath path = arguments.path.path();
  const std::vector<io::TokenDocument> documents = documents_of(arguments);
  Progress progress;
  progress.step("reading " + arguments.model);
  const eval::LlamaModel model(io::read_model(arguments.model));
  const std::vector<eval::SparseSetting> settings = settings_of(arguments, model, path, progress);

  eval::EvaluationOptions options;
  options.position_bins = arguments.position_bins;
  options.measure_heads = arguments.measure_heads;
  options.margin = arguments.margin;
  options.resampling = {arguments.resamples, arguments.seed};
  options.path = path;
  options.progress = [&](std::string_view what) { progress.step(std::string(what)); };
  const io::EvalFile file = eval::evaluate(model, documents, settings, options);
  progress.step("writing " + arguments.out);
  const DeferSignals whole_files;
  io::write_eval(arguments.out, file, io::make_provenance(command_line, arguments.seed));

  fmt::print("{} documents of {} tokens", documents.size(), with_commas(arguments.length));
  if (!arguments.documents.empty())
    fmt::print("; loss with dense attention {:.4f} nats per token",
               std::get<std::vector<double>>(file.summary.column("loss_dense").values)[0]);
  if (!arguments.tasks.empty())
    fmt::print("; accuracy with dense attention {}",
               percent(std::get<std::vector<double>>(file.summary.column("accuracy_dense").values)[0]));
  fmt::print("\n\n{}\n{} holds all of it\n",
             table_of(file.summary, !arguments.documents.empty(), !arguments.tasks.empty()), arguments.out);
}

}  // namespace

void add_eval(CLI::App& program, Invocation& invocation) {
  CLI::App* command = program.add_subcommand("eval", "Measure what patterns do to a model's predictions");
  auto arguments = std::make_shared<Arguments>();
  Arguments& a = *arguments;
  command->add_option("--model", a.model, "Model file (HDF5)")->type_name("FILE")->required();
  command->add_option("--tokens", a.tokens, "Token file (HDF5) with the documents")->type_name("FILE");
  command->add_option("--documents", a.documents, "Documents to evaluate, such as books/00,books/01")
      ->type_name("NAMES")
      ->delimiter(',');
  command->add_option("--tasks", a.tasks, "Token file whose documents ask for tokens: accuracy instead of loss")
      ->type_name("FILE");
  command
      ->add_option("--calibration", a.calibration,
                   "Documents that decide halftone's tolerance, head weights and landmark gates; never evaluated. "
                   "Without any, halftone meets the density in each layer by itself, with equal weights")
      ->type_name("NAMES")
      ->delimiter(',');
  command
      ->add_option("--head-weights", a.head_weights,
                   "Calibration file (HDF5), or JSON with head weights, [layers][heads]")
      ->type_name("FILE")
      ->check(CLI::ExistingFile.description(""));
  command
      ->add_option("--pattern", a.patterns,
                   "NAME, NAME:key=value,... or NAME:{JSON}; may be repeated, the first is what others are compared "
                   "with. All take block_k=128, halftone also landmarks=true (on heads chosen by calibration) or all, "
                   "and output_weights=false")
      ->type_name("PATTERN")
      ->required()
      ->allow_extra_args(false);
  command->add_option("--density", a.densities, "Wanted shares of the visible blocks, such as 0.05,0.1")
      ->type_name("SHARES")
      ->delimiter(',')
      ->required()
      ->check(density_check());
  command->add_option("--length", a.length, "Tokens of context")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{2}, std::int64_t{1} << 32).description(""))
      ->capture_default_str();
  command->add_option("--position-bins", a.position_bins, "Parts of the context that losses are also given for")
      ->type_name("N")
      ->check(CLI::Range(1, 1024).description(""))
      ->capture_default_str();
  command->add_option("--margin", a.margin, "Equivalence: loss increase as a share of the dense loss")
      ->type_name("SHARE")
      ->check(density_check())
      ->capture_default_str();
  command->add_option("--resamples", a.resamples, "Of the bootstrap and the permutation test")
      ->type_name("N")
      ->check(CLI::Range(1, 10000000).description(""))
      ->capture_default_str();
  command->add_option("--seed", a.seed, "For random patterns and resampling")->type_name("N")->capture_default_str();
  a.path.add_to(*command, /*selects=*/true);
  command->add_flag(
      "--heads", a.measure_heads,
      "Also what every head keeps and loses, and how well it was chosen (a dense pass per layer and more)");
  command->add_option("--out", a.out, "Eval file to write")->type_name("FILE")->required();
  add_force(*command, a.force);
  command->footer(
      "Example:\n  halftone eval --model model.h5 --tokens tokens.h5 --documents books/00,books/01 --calibration "
      "books/05 \\\n"
      "    --length 8192 --pattern halftone:landmarks=true --pattern local --density 0.1 --out eval.h5");
  command->callback([&invocation, arguments] {
    invocation.run = [&invocation, arguments] { run(*arguments, invocation.command_line); };
  });
}

}  // namespace halftone::app
