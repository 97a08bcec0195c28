#include "demo_pictures.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "pictures.hpp"
#include "table.hpp"

namespace halftone::app {

namespace {

constexpr std::size_t kMostLayers = 6;
constexpr int kMostHeads = 4;  // of a layer
constexpr int kFarKeys = 1024;

// Share of the attention that goes kFarKeys back or more, mean over the query tiles.
double far_share(const Panel& panel) {
  double sum = 0.0;
  for (int tile = 0; tile < panel.tiles(); ++tile)
    for (int block = 0; (block + 1) * panel.block_k + kFarKeys <= tile * panel.block_q; ++block)
      sum += panel.mass[static_cast<std::size_t>(tile) * panel.blocks() + block];
  return sum / panel.tiles();
}

std::string sizes(const Activations& activations, const PatternRun& run) {
  const BlockMask& mask = run.selection.layers.front().mask;
  return fmt::format("{} tokens, tiles of {} queries, blocks of {} keys, density {} over all layers",
                     with_commas(activations.layers.front().q.shape[2]), mask.block_q, mask.block_k,
                     percent(run.selection.density()));
}

}  // namespace

std::string DemoPictures::Head::name(const Activations& activations) const {
  return fmt::format("layer {}, head {}", activations.layers[layer].index, head);
}

DemoPictures::DemoPictures(const Activations& activations, const DenseRun& dense) : activations_(activations) {
  for (std::size_t l = 0; l < std::min(activations.layers.size(), kMostLayers); ++l) {
    const Layer& layer = activations.layers[l];
    const MaskGeometry sequence = first_sequence(activations, layer);
    for (int head = 0; head < std::min(sequence.heads, kMostHeads); ++head) {
      Panel panel = mass_panel(layer, dense.layers[l].result, sequence, head);
      const double reach = far_share(panel);
      heads_.push_back({l, head, std::move(panel), reach});
    }
  }
}

const DemoPictures::Head& DemoPictures::farthest(std::size_t layer) const {
  const auto reach = [layer](const Head& head) { return head.layer == layer ? head.reach : -1.0; };
  return *std::max_element(heads_.begin(), heads_.end(),
                           [&](const Head& a, const Head& b) { return reach(a) < reach(b); });
}

Panel DemoPictures::attention(const Head& head, const std::string& title) const {
  Panel panel = head.attention;
  panel.title = title;
  return panel;
}

Panel DemoPictures::kept(const Head& head, const PatternRun& run, const std::string& title) const {
  Panel panel = mask_panel(run.selection.layers[head.layer],
                           first_sequence(activations_, activations_.layers[head.layer]), head.head);
  panel.title = title;
  panel.note +=
      fmt::format(", {} of the attention", percent(run.quality[head.layer].mass[static_cast<std::size_t>(head.head)]));
  return panel;
}

const DemoPictures::Head& DemoPictures::farthest() const {
  return *std::max_element(heads_.begin(), heads_.end(),
                           [](const Head& a, const Head& b) { return a.reach < b.reach; });
}

Canvas DemoPictures::farthest_head(const PatternRun& run) const {
  const Head& head = farthest();
  Sheet sheet{fmt::format("What {} keeps: {}", run.label, head.name(activations_)), sizes(activations_, run), 2, {}};
  sheet.panels.push_back(attention(head, "true attention"));
  sheet.panels.push_back(kept(head, run, run.label));
  return draw(sheet);
}

Canvas DemoPictures::every_head(const PatternRun& run) const {
  Sheet sheet{fmt::format("{}: one tolerance shares the blocks out among heads and layers", run.label),
              sizes(activations_, run),
              4,
              {}};
  for (const Head& head : heads_) {
    sheet.panels.push_back(attention(head, head.name(activations_) + ": true attention"));
    sheet.panels.push_back(kept(head, run, "kept"));
  }
  return draw(sheet);
}

Canvas DemoPictures::one_head(std::span<const PatternRun> runs) const {
  const Head& head = farthest();
  Sheet sheet{
      fmt::format("The pattern library on {}", head.name(activations_)), sizes(activations_, runs.front()), 7, {}};
  sheet.panels.push_back(attention(head, "true attention"));
  for (const PatternRun& run : runs) sheet.panels.push_back(kept(head, run, run.label));
  return draw(sheet);
}

Canvas DemoPictures::every_pattern(std::span<const PatternRun> runs) const {
  Sheet sheet{"The same density, spent by different patterns",
              sizes(activations_, runs.front()),
              static_cast<int>(runs.size()) + 1,
              {}};
  for (std::size_t l = 0; l <= heads_.back().layer; ++l) {
    const Head& head = farthest(l);
    sheet.panels.push_back(attention(head, head.name(activations_)));
    for (const PatternRun& run : runs) sheet.panels.push_back(kept(head, run, run.label));
  }
  return draw(sheet);
}

}  // namespace halftone::app
