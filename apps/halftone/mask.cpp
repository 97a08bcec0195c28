// halftone mask: the blocks a pattern keeps, as a file and as a picture.
#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "commands.hpp"
#include "halftone/core/io/mask_file.hpp"
#include "halftone/patterns/pattern.hpp"
#include "inputs.hpp"
#include "pictures.hpp"
#include "progress.hpp"
#include "selection.hpp"
#include "signals.hpp"
#include "table.hpp"

namespace halftone::app {

namespace {

constexpr std::size_t kMostPanels = 36;  // more would not be readable in one picture

struct Arguments {
  PatternArguments pattern;
  std::string activations, out, png;
  std::vector<int> layers;
  std::int64_t length = 0;
  int heads = 1;
  bool no_causal = false, force = false;
};

// Masks, the layers they belong to and the geometry of their first sequences.
struct Masks {
  Selection selection;
  std::vector<int> layers;
  std::vector<MaskGeometry> sequences;
};

Masks mask_activations(const Arguments& arguments, const PatternChoice& choice, Progress& progress) {
  progress.step("reading " + arguments.activations);
  const Activations activations = load_activations(arguments.activations, arguments.layers);
  progress.step("selecting blocks");
  Masks masks{select_blocks(activations, choice), {}, {}};
  for (const Layer& layer : activations.layers) {
    masks.layers.push_back(layer.index);
    masks.sequences.push_back(first_sequence(activations, layer));
  }
  return masks;
}

// Without activations, only the sizes count.
Masks mask_sizes(const Arguments& arguments, const PatternChoice& choice, Progress& progress) {
  patterns::PatternRequest request;
  request.geometry.heads = arguments.heads;
  request.geometry.seq_q = request.geometry.seq_k = arguments.length;
  request.geometry.causal = !arguments.no_causal;
  request.density = choice.density;
  request.seed = choice.seed;
  progress.step("selecting blocks");
  Masks masks{{}, {0}, {request.geometry}};
  const Kokkos::Timer timer;
  masks.selection.layers.push_back({patterns::make_mask(choice.name, request, choice.parameters), std::nullopt});
  Kokkos::fence();
  masks.selection.seconds = timer.seconds();
  return masks;
}

Canvas picture(const Masks& masks, const std::string& pattern) {
  Sheet sheet;
  sheet.columns = masks.sequences.front().heads <= 6 ? masks.sequences.front().heads : 4;
  std::size_t all = 0;
  for (std::size_t l = 0; l < masks.layers.size(); ++l)
    for (int head = 0; head < masks.sequences[l].heads; ++head, ++all) {
      if (sheet.panels.size() == kMostPanels) continue;
      Panel panel = mask_panel(masks.selection.layers[l], masks.sequences[l], head);
      panel.title = fmt::format("layer {}, head {}", masks.layers[l], head);
      sheet.panels.push_back(std::move(panel));
    }
  const MaskGeometry& sequence = masks.sequences.front();
  sheet.title = fmt::format("{}: blocks kept, density {}", pattern, percent(masks.selection.density()));
  sheet.note = fmt::format("{} tokens, tiles of {} queries, blocks of {} keys{}", with_commas(sequence.seq_q),
                           sequence.block_q, sequence.block_k,
                           all > kMostPanels ? fmt::format("; the first {} of {} heads", kMostPanels, all) : "");
  return draw(sheet);
}

void print_masks(const Masks& masks) {
  TextTable table{{"layer", "heads", "tiles", "blocks", "kept", "visible", "density"}, {}};
  for (std::size_t l = 0; l < masks.layers.size(); ++l) {
    const BlockMask& mask = masks.selection.layers[l].mask;
    table.rows.push_back({fmt::format("{}", masks.layers[l]), fmt::format("{}", mask.heads),
                          fmt::format("{}", mask.tiles), fmt::format("{}", mask.blocks), with_commas(mask.kept()),
                          with_commas(mask.visible), percent(mask.density())});
  }
  fmt::print("{}\n", table.to_string());
  if (masks.selection.tolerance > 0.0) fmt::print("tolerance {:.4g}\n", masks.selection.tolerance);
  fmt::print("density {}, selected in {}\n", percent(masks.selection.density()), duration(masks.selection.seconds));
}

void run(const Arguments& arguments, const std::string& command_line) {
  const PatternChoice choice = arguments.pattern.choice();
  check_output(arguments.out, arguments.force);
  if (!arguments.png.empty()) check_output(arguments.png, arguments.force);
  if (arguments.png == arguments.out) throw UsageError("--png: got the name of --out, expected another");

  Progress progress;
  const Masks masks = arguments.activations.empty() ? mask_sizes(arguments, choice, progress)
                                                    : mask_activations(arguments, choice, progress);
  std::vector<io::MaskLayer> layers;
  for (std::size_t l = 0; l < masks.layers.size(); ++l)
    layers.push_back({masks.layers[l], to_host(masks.selection.layers[l].mask)});
  std::optional<Canvas> canvas;
  if (!arguments.png.empty()) canvas = picture(masks, choice.name);
  progress.step("writing");
  {
    const DeferSignals whole_files;
    io::write_mask(arguments.out, layers, io::make_provenance(command_line, choice.seed));
    if (canvas) canvas->write_png(arguments.png);
  }
  print_masks(masks);
  fmt::print("mask: {}\n", arguments.out);
  if (!arguments.png.empty()) fmt::print("picture: {}\n", arguments.png);
}

}  // namespace

void add_mask(CLI::App& program, Invocation& invocation) {
  CLI::App* command =
      program.add_subcommand("mask", "Make a pattern's block mask, from activations or for given sizes");
  auto arguments = std::make_shared<Arguments>();
  Arguments& a = *arguments;
  a.pattern.add_to(*command)->required();
  CLI::Option* activations =
      command->add_option("--activations", a.activations, "Activations file that the pattern looks at")
          ->type_name("FILE");
  command->add_option("--layer,--layers", a.layers, "Layers of that file; all without it")
      ->type_name("N")
      ->delimiter(',')
      ->needs(activations);
  CLI::Option* length = command->add_option("--seq", a.length, "Instead of activations: tokens in the sequence")
                            ->type_name("N")
                            ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 22).description(""))
                            ->excludes(activations);
  command->add_option("--heads", a.heads, "With --seq: number of heads")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 16).description(""))
      ->capture_default_str()
      ->needs(length);
  command->add_flag("--no-causal", a.no_causal, "With --seq: queries see later keys too")->needs(length);
  command->add_option("--out", a.out, "Mask file to write")->type_name("FILE")->required();
  command->add_option("--png", a.png, "Picture to write")->type_name("FILE");
  add_force(*command, a.force);
  command->footer(
      "Examples:\n  halftone mask --pattern bigbird --density 0.1 --seq 16384 --heads 8 --out mask.h5 --png mask.png\n"
      "  halftone mask --pattern halftone --density 0.1 --activations qkv.h5 --layer 4 --out mask.h5\n"
      "  halftone mask --pattern halftone --param tolerance=0.01 --param micro_block=8 --activations qkv.h5 --out "
      "mask.h5");
  command->callback([&invocation, arguments] {
    if (arguments->activations.empty() && arguments->length == 0)
      throw UsageError("a mask needs --activations FILE, or --seq N with --heads H");
    invocation.run = [&invocation, arguments] { run(*arguments, invocation.command_line); };
  });
}

}  // namespace halftone::app
