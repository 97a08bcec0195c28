// halftone demo: the whole idea on real activations, compared with the patterns it competes with.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "commands.hpp"
#include "contestants.hpp"
#include "demo_files.hpp"
#include "demo_pictures.hpp"
#include "halftone/core/io/attention_file.hpp"
#include "halftone/core/io/bench_file.hpp"
#include "halftone/core/io/mask_file.hpp"
#include "halftone/patterns/density.hpp"
#include "halftone/patterns/pattern.hpp"
#include "sample.hpp"
#include "signals.hpp"
#include "table.hpp"

namespace halftone::app {

namespace {

struct Arguments {
  std::string sample, out = "halftone-demo";
  double density = 0.1;
  std::uint64_t seed = 0;
  bool all = false, force = false;
};

struct Contestant {
  std::string label, file_name, pattern;
  std::vector<nlohmann::json> settings;  ///< the first that allows the density counts
  bool landmarks = false;
};

// Halftone decides about everything but the diagonal. The others have their defaults, which serve them better than no
// sinks and no forced near field do, where the density leaves room for that.
const std::vector<Contestant>& main_contestants() {
  using nlohmann::json;
  static const std::vector<Contestant> main{
      {"halftone", "masks/halftone.h5", "halftone", {json{{"sink_blocks", 0}, {"local_blocks", 0}}}},
      {"halftone + landmarks",
       "masks/halftone_landmarks.h5",
       "halftone",
       {json{{"sink_blocks", 0}, {"local_blocks", 0}}},
       true},
      {"mean_topk", "masks/mean_topk.h5", "mean_topk", {json::object(), json{{"sink_blocks", 0}, {"local_blocks", 0}}}},
      {"bigbird", "masks/bigbird.h5", "bigbird", {json::object(), json{{"global_blocks", 0}}}},
      {"strided", "masks/strided.h5", "strided", {json::object(), json{{"sink_blocks", 0}}}},
      {"local", "masks/local.h5", "local", {json::object(), json{{"sink_blocks", 0}}}},
  };
  return main;
}

// The rest of the pattern table but for compositions, which are what their members are; without sinks and forced blocks
// where the density leaves no room for them.
std::vector<Contestant> other_contestants() {
  using nlohmann::json;
  std::vector<Contestant> others;
  for (const patterns::PatternInfo& info : patterns::pattern_table()) {
    const auto same = [&](const Contestant& c) { return c.pattern == info.name; };
    const auto composed = [](const patterns::ParameterInfo& p) { return p.name == "patterns"; };
    if (info.name == "dense" || info.name == "causal" || std::ranges::any_of(main_contestants(), same) ||
        std::ranges::any_of(info.parameters, composed))
      continue;
    json bare = json::object();
    for (const patterns::ParameterInfo& p : info.parameters)
      if (p.name == "sink_blocks" || p.name == "local_blocks" || p.name == "global_blocks")
        bare[std::string(p.name)] = 0;
    const std::string name(info.name);
    others.push_back({name, fmt::format("masks/{}.h5", name), name, {json::object(), bare}});
  }
  return others;
}

// Throws InvalidArgument when no settings of the pattern allow the density.
PatternRun run_contestant(const Contestant& contestant, const Arguments& arguments, const Activations& activations,
                          const DenseRun& dense, Progress& progress) {
  for (std::size_t i = 0;; ++i) try {
      const PatternChoice choice{contestant.pattern, contestant.settings[i], arguments.density, arguments.seed,
                                 contestant.landmarks};
      return run_pattern(contestant.label, choice, activations, dense, progress);
    } catch (const InvalidArgument&) {
      if (i + 1 == contestant.settings.size()) throw;
    }
}

double peak_mebibytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;  // kibibytes on Linux
}

std::vector<io::AttentionLayer> attention_layers(const Activations& activations, const PatternRun& run) {
  std::vector<io::AttentionLayer> layers;
  for (std::size_t l = 0; l < activations.layers.size(); ++l) {
    layers.push_back(to_file(activations.layers[l], run.selection.layers[l], run.layers[l]));
    add_errors(layers.back(), run.quality[l]);
  }
  return layers;
}

std::vector<io::MaskLayer> mask_layers(const Activations& activations, const PatternRun& run) {
  std::vector<io::MaskLayer> layers;
  for (std::size_t l = 0; l < activations.layers.size(); ++l)
    layers.push_back({activations.layers[l].index, to_host(run.selection.layers[l].mask)});
  return layers;
}

void print_results(const Activations& activations, const DenseRun& dense, const std::vector<PatternRun>& runs) {
  fmt::print("{}\n", comparison_table(activations, dense, runs));
  fmt::print(
      "error     norm of the difference to dense attention over its norm, all layers and heads; L: of a layer\n"
      "mass      share of the dense softmax that falls in the kept blocks\n"
      "speed-up  dense time over selection and attention, {} kernel\n\n",
      dense.layers.front().result.kernel);
  fmt::print("one tolerance for all layers and heads: {:.4g}\n", runs[0].selection.tolerance);
  fmt::print("far mass, the share of the softmax that rests on landmarks: {}\n", percent(runs[1].far_mass()));
  fmt::print("peak memory: {:.0f} MiB\n\n", peak_mebibytes());
}

void run(const Arguments& arguments, const std::string& command_line) {
  const std::string sample = arguments.sample.empty() ? find_sample() : arguments.sample;
  std::vector<std::string> names{"demo.h5", "attention.h5", "caught.png", "heads.png", "patterns.png"};
  std::vector<Contestant> contestants = main_contestants();
  if (arguments.all) {
    std::ranges::move(other_contestants(), std::back_inserter(contestants));
    names.push_back("library.png");
  }
  for (const Contestant& contestant : contestants) names.push_back(contestant.file_name);
  const DemoFolder folder(arguments.out, names, arguments.force);

  Progress progress;
  progress.step("reading " + sample);
  const Activations activations = load_activations(sample, {});
  fmt::print("{}\n\n{}\n\n", wrap(activations.source.empty() ? sample : activations.source, 100),
             describe(activations));
  std::fflush(stdout);

  const DenseRun dense = run_dense(activations, progress);
  std::vector<PatternRun> runs;
  std::vector<std::string> written, left_out;
  for (const Contestant& contestant : contestants) try {
      runs.push_back(run_contestant(contestant, arguments, activations, dense, progress));
      written.push_back(contestant.file_name);
    } catch (const patterns::UnreachableDensity& error) {
      if (runs.size() < main_contestants().size()) throw;
      left_out.push_back(fmt::format("left out: {}: {}", contestant.label, error.what()));
    }

  progress.step("drawing");
  const DemoPictures pictures(activations, dense);
  const Canvas caught = pictures.farthest_head(runs[1]), heads = pictures.every_head(runs[0]);
  const Canvas patterns = pictures.every_pattern({runs.data(), main_contestants().size()});
  std::optional<Canvas> library;
  if (arguments.all) library = pictures.one_head(runs);

  progress.step("writing " + arguments.out);
  {
    const DeferSignals whole_files;
    const io::Provenance provenance = io::make_provenance(command_line, arguments.seed);
    for (std::size_t i = 0; i < runs.size(); ++i)
      io::write_mask(folder.file(written[i]), mask_layers(activations, runs[i]), provenance);
    io::write_attention(folder.file("attention.h5"), attention_layers(activations, runs[0]), provenance);
    io::write_bench(folder.file("demo.h5"), comparison_file(activations, dense, runs), provenance);
    caught.write_png(folder.file("caught.png"));
    heads.write_png(folder.file("heads.png"));
    patterns.write_png(folder.file("patterns.png"));
    if (library) library->write_png(folder.file("library.png"));
  }
  progress.step("");
  print_results(activations, dense, runs);
  for (const std::string& reason : left_out) fmt::print("{}\n", reason);
  fmt::print("{}{}\n", folder.refreshes() ? "Replaced the files of an earlier run in " : "Files in ", arguments.out);
  fmt::print(
      "  caught.png    where one head's attention is, and what halftone with landmarks keeps of it\n"
      "  heads.png     halftone on every head: one tolerance shares the blocks out\n"
      "  patterns.png  every pattern at this density\n{}"
      "  demo.h5       the table; attention.h5: halftone's outputs; masks/: the blocks of each pattern\n",
      arguments.all ? "  library.png   all patterns of the library on one head\n" : "");
}

}  // namespace

void add_demo(CLI::App& program, Invocation& invocation) {
  CLI::App* command =
      program.add_subcommand("demo", "Compare halftone with other patterns on real activations; start here");
  auto arguments = std::make_shared<Arguments>();
  Arguments& a = *arguments;
  command->add_option("--sample", a.sample, "Activations file; the embedded sample without it")->type_name("FILE");
  command->add_option("--density", a.density, "Share of the visible blocks that every pattern may keep")
      ->type_name("SHARE")
      ->check(density_check())
      ->capture_default_str();
  command->add_option("--seed", a.seed, "For random patterns")->type_name("N")->capture_default_str();
  command->add_option("--out", a.out, "Folder for results; files of an earlier demo in it are replaced")
      ->type_name("DIR")
      ->capture_default_str();
  command->add_flag("--all", a.all, "Compare with every pattern of the library");
  command->add_flag("--force", a.force, "Replace files that something else made, too");
  command->footer(
      "Examples:\n  halftone demo --density 0.05 --out demo-5-percent\n  halftone demo --all --out demo-all");
  command->callback([&invocation, arguments] {
    invocation.run = [&invocation, arguments] { run(*arguments, invocation.command_line); };
  });
}

}  // namespace halftone::app
