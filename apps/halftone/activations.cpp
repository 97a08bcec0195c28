// halftone activations: runs a model over a document and stores Q, K and V.
#include "halftone/core/io/activations.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "commands.hpp"
#include "halftone/core/io/model_file.hpp"
#include "halftone/core/io/tokens_file.hpp"
#include "halftone/eval/model/activations.hpp"
#include "progress.hpp"
#include "signals.hpp"
#include "table.hpp"

namespace halftone::app {

namespace {

struct Arguments {
  std::string model, tokens, document, calibration, dtype = "bfloat16", out;
  std::int64_t length = 4096, offset = 0;
  std::vector<int> layers;
  int kv_group = -1;
  bool force = false;
};

std::vector<std::int32_t> read_tokens(const Arguments& arguments, const std::string& name, std::int64_t offset) {
  io::TokenDocument document = io::read_document(arguments.tokens, name);
  const std::int64_t end = offset + arguments.length;
  if (end > document.length)
    throw UsageError(
        fmt::format("{}: document {} has {} tokens, got --offset {} and --length {}, expected an end at most there",
                    arguments.tokens, name, document.length, offset, arguments.length));
  return {document.tokens.begin() + offset, document.tokens.begin() + end};
}

void run(const Arguments& arguments, const std::string& command_line) {
  check_output(arguments.out, arguments.force);
  const std::vector<std::int32_t> tokens = read_tokens(arguments, arguments.document, arguments.offset);
  std::vector<std::int32_t> calibration;
  if (!arguments.calibration.empty()) calibration = read_tokens(arguments, arguments.calibration, 0);

  Progress progress;
  progress.step("reading " + arguments.model);
  const eval::LlamaModel model(io::read_model(arguments.model));
  const auto say = [&](std::string_view what) {
    return [&progress, &model, what](int layer) {
      progress.step(fmt::format("{}: layer {} of {}", what, layer, model.sizes().num_layers));
    };
  };
  eval::HeadWeights weights;
  if (!calibration.empty()) weights = eval::measure_head_weights(model, calibration, say("measuring head weights"));
  const eval::ActivationSelection selection{arguments.layers, arguments.kv_group, dtype_from_name(arguments.dtype)};
  io::ActivationsFile file = eval::store_activations(model, tokens, selection, weights, say("running the model"));
  file.source = fmt::format("{} tokens of {} from {}", tokens.size(), arguments.document,
                            std::filesystem::path(arguments.tokens).filename().string());

  progress.step("writing " + arguments.out);
  const DeferSignals whole_files;
  io::write_activations(arguments.out, file, io::make_provenance(command_line));
  std::vector<int> stored;
  for (const io::ActivationLayer& layer : file.layers) stored.push_back(layer.index);
  fmt::print("{}: Q, K, V of layers {} over {} tokens of {}, {}{}\n", arguments.out, fmt::join(stored, ", "),
             with_commas(static_cast<std::int64_t>(tokens.size())), arguments.document, arguments.dtype,
             weights.empty() ? "" : ", with head weights");
}

}  // namespace

void add_activations(CLI::App& program, Invocation& invocation) {
  CLI::App* command =
      program.add_subcommand("activations", "Run a model over a document and store Q, K and V of its layers");
  auto arguments = std::make_shared<Arguments>();
  Arguments& a = *arguments;
  command->add_option("--model", a.model, "Model file (HDF5)")->type_name("FILE")->required();
  command->add_option("--tokens", a.tokens, "Token file (HDF5)")->type_name("FILE")->required();
  command->add_option("--document", a.document, "Document in the token file, such as books/00")
      ->type_name("NAME")
      ->required();
  command->add_option("--length", a.length, "Tokens to read")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 32).description(""))
      ->capture_default_str();
  command->add_option("--offset", a.offset, "First token")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 32).description(""))
      ->capture_default_str();
  command->add_option("--layers", a.layers, "Layers to store, such as 1,4,6; all without it")
      ->type_name("N")
      ->delimiter(',');
  command->add_option("--kv-group", a.kv_group, "Store one key-value head with its query heads; all without it")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 32).description(""));
  command->add_option("--dtype", a.dtype, "float32, float16 or bfloat16")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"float32", "float16", "bfloat16"}).description(""))
      ->capture_default_str();
  command
      ->add_option("--calibration", a.calibration, "Another document, on which the heads' output weights are measured")
      ->type_name("NAME");
  command->add_option("--out", a.out, "Activations file to write")->type_name("FILE")->required();
  add_force(*command, a.force);
  command->footer(
      "Example:\n  halftone activations --model model.h5 --tokens tokens.h5 --document books/00 --length 8192 \\\n"
      "    --layers 1,4,6 --kv-group 0 --calibration books/05 --out qkv.h5");
  command->callback([&invocation, arguments] {
    invocation.run = [&invocation, arguments] { run(*arguments, invocation.command_line); };
  });
}

}  // namespace halftone::app
