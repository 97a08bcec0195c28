#include "demo_pictures.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "pictures.hpp"
#include "table.hpp"

namespace halftone::app {

namespace {

int farthest_head(const PatternRun& local, std::size_t layer) {
  const std::vector<double>& mass = local.quality[layer].mass;
  return static_cast<int>(std::min_element(mass.begin(), mass.end()) - mass.begin());
}

Panel true_panel(const Activations& activations, const DenseRun& dense, std::size_t l, int head, const std::string& title) {
  const Layer& layer = activations.layers[l];
  Panel panel = mass_panel(layer, dense.layers[l].result, first_sequence(activations, layer), head);
  panel.title = title;
  return panel;
}

Panel kept_panel(const Activations& activations, const PatternRun& run, std::size_t l, int head, const std::string& title) {
  Panel panel = mask_panel(run.selection.layers[l], first_sequence(activations, activations.layers[l]), head);
  panel.title = title;
  panel.note += fmt::format(", {} of the mass", percent(run.quality[l].mass[static_cast<std::size_t>(head)]));
  return panel;
}

std::string sizes(const Activations& activations, const PatternRun& run) {
  const BlockMask& mask = run.selection.layers.front().mask;
  return fmt::format("{} tokens, tiles of {} queries, blocks of {} keys, mean density {}",
                     with_commas(activations.layers.front().q.shape[2]), mask.block_q, mask.block_k,
                     percent(run.selection.density()));
}

}  // namespace

Sheet caught_sheet(const Activations& activations, const DenseRun& dense, const PatternRun& run, const PatternRun& local) {
  std::size_t layer = 0;
  const auto reach = [&](std::size_t l) { return local.quality[l].mass[static_cast<std::size_t>(farthest_head(local, l))]; };
  for (std::size_t l = 1; l < activations.layers.size(); ++l)
    if (reach(l) < reach(layer)) layer = l;
  const int head = farthest_head(local, layer);
  Sheet sheet{fmt::format("What {} keeps: layer {}, head {}", run.label, activations.layers[layer].index, head),
              sizes(activations, run), 2, {}};
  sheet.panels.push_back(true_panel(activations, dense, layer, head, "true attention"));
  sheet.panels.push_back(kept_panel(activations, run, layer, head, run.label));
  return sheet;
}

Sheet heads_sheet(const Activations& activations, const DenseRun& dense, const PatternRun& run) {
  Sheet sheet{fmt::format("{}: one tolerance shares the blocks out among heads and layers", run.label),
              sizes(activations, run), 4, {}};
  for (std::size_t l = 0; l < activations.layers.size(); ++l)
    for (int head = 0; head < static_cast<int>(run.quality[l].mass.size()); ++head) {
      const std::string title = fmt::format("layer {}, head {}", activations.layers[l].index, head);
      sheet.panels.push_back(true_panel(activations, dense, l, head, title + ": true"));
      sheet.panels.push_back(kept_panel(activations, run, l, head, "kept"));
    }
  return sheet;
}

Sheet patterns_sheet(const Activations& activations, const DenseRun& dense, const std::vector<PatternRun>& runs,
                     const PatternRun& local) {
  Sheet sheet{"The same density, spent by different patterns", sizes(activations, runs.front()),
              static_cast<int>(runs.size()) + 1, {}};
  for (std::size_t l = 0; l < activations.layers.size(); ++l) {
    const int head = farthest_head(local, l);
    sheet.panels.push_back(true_panel(activations, dense, l, head,
                                      fmt::format("layer {}, head {}", activations.layers[l].index, head)));
    for (const PatternRun& run : runs) sheet.panels.push_back(kept_panel(activations, run, l, head, run.label));
  }
  return sheet;
}

}  // namespace halftone::app
