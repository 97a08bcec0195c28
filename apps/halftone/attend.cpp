// halftone attend: attention over a mask or pattern, with its cost and, on request, its error.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "commands.hpp"
#include "halftone/core/io/attention_file.hpp"
#include "halftone/core/io/mask_file.hpp"
#include "inputs.hpp"
#include "halftone/eval/quality/attention_quality.hpp"
#include "progress.hpp"
#include "results.hpp"
#include "selection.hpp"
#include "signals.hpp"
#include "table.hpp"

namespace halftone::app {

namespace {

struct Arguments {
  PatternArguments pattern;
  std::string activations, mask, out, kernel = "auto";
  std::vector<int> layers;
  bool landmarks = false, dense_reference = false, force = false;
};

void check_fits(const std::string& path, const BlockMask& mask, const MaskGeometry& geometry, int layer) {
  const bool heads = mask.heads > 0 && geometry.heads % mask.heads == 0;
  const bool batch = mask.batch == 1 || mask.batch == geometry.batch;
  const std::int64_t tiles = (geometry.seq_q + mask.block_q - 1) / mask.block_q;
  const std::int64_t blocks = (geometry.seq_k + mask.block_k - 1) / mask.block_k;
  if (heads && batch && mask.tiles == tiles && mask.blocks == blocks) return;
  throw FileError(
      path,
      fmt::format("the mask does not fit layer {} of the activations: got batch {}, {} heads, {} tiles of {} "
                  "queries, {} blocks of {} keys, expected batch 1 or {}, a divisor of {} heads, {} tiles, {} blocks",
                  layer, mask.batch, mask.heads, mask.tiles, mask.block_q, mask.blocks, mask.block_k, geometry.batch,
                  geometry.heads, tiles, blocks));
}

// A file with one mask serves every layer; otherwise each layer needs its own.
Selection read_selection(const std::string& path, const Activations& activations) {
  const std::vector<io::MaskLayer> masks = io::read_mask(path);
  Selection selection;
  for (const Layer& layer : activations.layers) {
    const auto own = std::find_if(masks.begin(), masks.end(), [&](const auto& m) { return m.index == layer.index; });
    if (own == masks.end() && masks.size() > 1) {
      std::vector<int> known;
      for (const io::MaskLayer& mask : masks) known.push_back(mask.index);
      throw FileError(
          path, fmt::format("no mask for layer {}, expected one of layers {}", layer.index, fmt::join(known, ", ")));
    }
    const BlockMask mask = to_device(own == masks.end() ? masks.front().mask : own->mask);
    check_fits(path, mask, mask_geometry(activations, layer), layer.index);
    selection.layers.push_back({mask, std::nullopt});
  }
  return selection;
}

void run(const Arguments& arguments, const std::string& command_line) {
  std::optional<PatternChoice> choice;
  if (arguments.mask.empty()) {
    choice = arguments.pattern.choice();
    choice->landmarks = arguments.landmarks;
  }
  if (arguments.landmarks && (!choice || choice->name != "halftone"))
    throw UsageError("--landmarks: got another pattern or a mask, expected --pattern halftone");
  check_output(arguments.out, arguments.force);

  Progress progress;
  progress.step("reading " + arguments.activations);
  const Activations activations = load_activations(arguments.activations, arguments.layers);
  progress.step("selecting blocks");
  const Selection selection =
      choice ? select_blocks(activations, *choice) : read_selection(arguments.mask, activations);

  TextTable table{{"layer", "kernel", "density", "time"}, {}};
  if (arguments.dense_reference) table.header.insert(table.header.end(), {"dense time", "speed-up", "error", "mass"});
  table.header.push_back("far mass");
  eval::SquaredError total;
  std::vector<io::AttentionLayer> results;
  for (std::size_t l = 0; l < activations.layers.size(); ++l) {
    const Layer& layer = activations.layers[l];
    const LayerSelection& kept = selection.layers[l];
    progress.step(fmt::format("attention, layer {}", layer.index));
    const TimedAttention sparse = attend(activations, layer, &kept, arguments.kernel);
    io::AttentionLayer result = to_file(layer, kept, sparse);
    std::vector<std::string> row{fmt::format("{}", layer.index), sparse.result.kernel, percent(kept.mask.density()),
                                 duration(sparse.best())};
    if (arguments.dense_reference) {
      progress.step(fmt::format("dense reference, layer {}", layer.index));
      const TimedAttention dense = attend(activations, layer, nullptr, arguments.kernel);
      const Quality quality = compare(sparse.result, dense.result);
      add_errors(result, quality);
      total += quality.total;
      row.insert(row.end(), {duration(dense.best()), fmt::format("{:.2f}", dense.best() / sparse.best()),
                             fmt::format("{:.4g}", quality.total.relative()), percent(quality.mean_mass())});
    }
    row.push_back(kept.landmarks ? percent(eval::mean_far_mass(sparse.result)) : "-");
    table.rows.push_back(row);
    results.push_back(std::move(result));
  }
  progress.step("writing " + arguments.out);
  {
    const DeferSignals whole_files;
    io::write_attention(arguments.out, results, io::make_provenance(command_line, arguments.pattern.seed));
  }
  fmt::print("{}\n", table.to_string());
  fmt::print("density {} over all layers", percent(selection.density()));
  if (choice) fmt::print(", selected in {}", duration(selection.seconds));
  if (selection.tolerance > 0.0) fmt::print(", tolerance {:.4g}", selection.tolerance);
  if (arguments.dense_reference) fmt::print(", relative error {:.4g}", total.relative());
  fmt::print("\nattention: {}\n", arguments.out);
}

}  // namespace

void add_attend(CLI::App& program, Invocation& invocation) {
  CLI::App* command = program.add_subcommand("attend", "Run attention on stored Q, K, V over a mask or a pattern");
  auto arguments = std::make_shared<Arguments>();
  Arguments& a = *arguments;
  command->add_option("--activations", a.activations, "Activations file with Q, K, V")->type_name("FILE")->required();
  command->add_option("--layer,--layers", a.layers, "Layers of that file; all without it")
      ->type_name("N")
      ->delimiter(',');
  CLI::Option* pattern = a.pattern.add_to(*command);
  command
      ->add_flag("--landmarks", a.landmarks, "With --pattern halftone: represent what is left out by block summaries")
      ->needs(pattern);
  command->add_option("--mask", a.mask, "Mask file, instead of a pattern")->type_name("FILE")->excludes(pattern);
  command->add_option("--kernel", a.kernel, "auto, or a kernel that 'halftone list' shows")
      ->type_name("NAME")
      ->capture_default_str();
  command->add_flag("--dense-reference", a.dense_reference, "Run dense attention too, and report error and speed-up");
  command->add_option("--out", a.out, "Attention file to write")->type_name("FILE")->required();
  add_force(*command, a.force);
  command->footer(
      "Examples:\n  halftone attend --activations qkv.h5 --pattern halftone --density 0.1 --dense-reference --out "
      "out.h5\n"
      "  halftone attend --activations qkv.h5 --mask mask.h5 --layer 4 --kernel reference --out out.h5");
  command->callback([&invocation, arguments] {
    if (arguments->mask.empty() && arguments->pattern.pattern.empty())
      throw UsageError("attention needs --pattern NAME or --mask FILE; for dense attention, --pattern causal or dense");
    invocation.run = [&invocation, arguments] { run(*arguments, invocation.command_line); };
  });
}

}  // namespace halftone::app
