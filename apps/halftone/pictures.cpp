#include "pictures.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "halftone/patterns/halftone/selection.hpp"
#include "halftone/eval/quality/attention_quality.hpp"
#include "table.hpp"

namespace halftone::app {

namespace {

Panel empty_panel(const MaskGeometry& sequence) {
  Panel panel;
  panel.seq_q = sequence.seq_q;
  panel.seq_k = sequence.seq_k;
  panel.block_q = sequence.block_q;
  panel.block_k = sequence.block_k;
  return panel;
}

// Blocks that halftone keeps whatever the input; none for other patterns, which do not say.
patterns::detail::NearField near_field(const BlockMask& mask, const MaskGeometry& sequence) {
  patterns::detail::NearField near{sequence, 0, 0};
  if (mask.pattern != "halftone") return near;
  const nlohmann::json parameters = nlohmann::json::parse(mask.parameters);
  near.sink_blocks = parameters.value("sink_blocks", 0);
  near.local_blocks = parameters.value("local_blocks", 0);
  return near;
}

}  // namespace

MaskGeometry first_sequence(const Activations& activations, const Layer& layer) {
  MaskGeometry geometry = mask_geometry(activations, layer);
  geometry.batch = 1;
  geometry.cu_seqlens_q = geometry.cu_seqlens_k = nullptr;
  if (activations.packed()) geometry.seq_q = geometry.seq_k = activations.lengths.front();
  return geometry;
}

Panel mask_panel(const LayerSelection& selection, const MaskGeometry& sequence, int head) {
  const HostBlockMask mask = to_host(selection.mask);
  const BlockMaskView view = mask.view();
  const auto near = near_field(selection.mask, sequence);
  const bool forced_near = near.sink_blocks > 0 || near.local_blocks > 0;
  HostArray<float> bias;
  if (selection.landmarks) bias = Kokkos::create_mirror_view_and_copy(HostSpace{}, selection.landmarks->bias);

  Panel panel = empty_panel(sequence);
  panel.cells.assign(static_cast<std::size_t>(panel.tiles()) * panel.blocks(), Cell::future);
  std::int64_t kept = 0, visible = 0;
  for (int tile = 0; tile < panel.tiles(); ++tile) {
    Cell* cells = &panel.cells[static_cast<std::size_t>(tile) * panel.blocks()];
    const std::int64_t row = view.row(0, head, sequence.heads, tile);
    const std::int64_t bias_row = (std::int64_t{head} * mask.tiles + tile) * mask.blocks;
    for (int block = 0; block < sequence.visible_blocks(0, tile); ++block, ++visible)
      cells[block] = bias.extent(0) && std::isfinite(bias(bias_row + block)) ? Cell::landmark : Cell::skipped;
    for (std::int64_t entry = mask.row_ptr(row); entry < mask.row_ptr(row + 1); ++entry, ++kept) {
      const int block = mask.col_idx(entry);
      const bool partial = mask.kind(entry) & (kBlockCausal | kBlockWindow | kBlockBits);
      cells[block] = partial ? Cell::partial : forced_near && near.forced(0, tile, block) ? Cell::near : Cell::full;
    }
  }
  panel.note =
      fmt::format("{} kept", percent(visible ? static_cast<double>(kept) / static_cast<double>(visible) : 0.0));
  return panel;
}

Panel mass_panel(const Layer& layer, const AttentionResult& dense, const MaskGeometry& sequence, int head) {
  Panel panel = empty_panel(sequence);
  panel.mass = eval::block_mass(layer.q, layer.k, dense.lse, sequence, layer.scale, 0, head);
  return panel;
}

}  // namespace halftone::app
