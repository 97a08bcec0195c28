#include "masks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "halftone/core/error.hpp"
#include "halftone/core/io/mask_file.hpp"
#include "halftone/core/philox.hpp"

namespace halftone::bench {
namespace {

constexpr std::uint64_t kSeed = 2026;

struct Row {
  std::int64_t batch, head, tile;
  std::int32_t visible;       ///< leading blocks that hold a visible pair
  std::int32_t own, own_end;  ///< the blocks of the tile's own keys, always kept

  std::int32_t own_count() const { return own_end - own; }
};

template <class F>
void for_each_row(const MaskGeometry& g, F&& f) {
  for (std::int64_t b = 0; b < g.batch; ++b)
    for (std::int64_t h = 0; h < g.heads; ++h)
      for (std::int64_t t = 0; t < g.tiles(); ++t) {
        const std::int32_t visible = g.visible_blocks(b, t);
        const auto own = static_cast<std::int32_t>(t * g.block_q / g.block_k);
        const auto own_end = static_cast<std::int32_t>(((t + 1) * g.block_q + g.block_k - 1) / g.block_k);
        f(Row{b, h, t, visible, std::min(own, visible), std::min(own_end, visible)});
      }
}

/// Appends a row of `count` blocks: its own and random others (selection sampling, Knuth's algorithm S: one pass, in
/// ascending order, every subset equally likely).
void append_row(MaskArrays& mask, const MaskGeometry& g, const Row& row, std::int32_t count) {
  const Philox random{kSeed, mask.row_ptr.size()};
  std::int32_t left = row.visible - row.own_count(),
               wanted = std::clamp(count, row.own_count(), row.visible) - row.own_count();
  for (std::int32_t block = 0; block < row.visible; ++block) {
    if (block < row.own || block >= row.own_end) {
      const bool take = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(block),
                                                               static_cast<std::uint32_t>(left--))) < wanted;
      if (!take) continue;
      --wanted;
    }
    mask.col_idx.push_back(block);
    mask.kind.push_back(g.edge_kind(row.batch, row.tile, block));
  }
  mask.row_ptr.push_back(static_cast<std::int64_t>(mask.col_idx.size()));
}

MaskArrays empty_mask(const MaskGeometry& g) {
  MaskArrays mask;
  mask.row_ptr.push_back(0);
  mask.sizes.batch = g.batch;
  mask.sizes.heads = g.heads;
  mask.sizes.tiles = g.tiles();
  mask.sizes.blocks = g.blocks();
  mask.sizes.block_q = g.block_q;
  mask.sizes.block_k = g.block_k;
  mask.causal = g.causal;
  for_each_row(g, [&](const Row& row) { mask.visible += row.visible; });
  return mask;
}

template <class View>
auto to_vector(const View& view) {
  return std::vector<typename View::non_const_value_type>(view.data(), view.data() + view.extent(0));
}

}  // namespace

BlockMaskView MaskArrays::view() const {
  BlockMaskView v = sizes;
  v.row_ptr = row_ptr.data();
  v.col_idx = col_idx.data();
  v.kind = kind.data();
  v.bits_index = bits_index.empty() ? nullptr : bits_index.data();
  v.bits = bits.empty() ? nullptr : bits.data();
  return v;
}

std::int64_t MaskArrays::seq() const {
  return std::min(std::int64_t{sizes.tiles} * sizes.block_q, std::int64_t{sizes.blocks} * sizes.block_k);
}

double MaskArrays::pairs(std::int64_t seq, std::int32_t batch, std::int32_t heads_q) const {
  const BlockMaskView v = view();
  double sum = 0.0;
  for (std::size_t row = 0; row + 1 < row_ptr.size(); ++row) {
    const std::int64_t first = static_cast<std::int64_t>(row) % v.tiles * v.block_q;
    for (std::int64_t e = row_ptr[row]; e < row_ptr[row + 1]; ++e) {
      const std::int64_t key0 = std::int64_t{col_idx[e]} * v.block_k;
      if (kind[e] == kBlockFull) {
        sum += static_cast<double>(v.block_q) * v.block_k;
      } else if (kind[e] == kBlockCausal) {
        for (std::int64_t q = first; q < first + v.block_q; ++q)
          sum += static_cast<double>(std::clamp<std::int64_t>(q - key0 + 1, 0, v.block_k));
      } else {
        for (std::int64_t q = first; q < first + v.block_q; ++q)
          for (std::int64_t key = key0; key < key0 + v.block_k; ++key) sum += v.allows(e, q, key, seq, seq);
      }
    }
  }
  return sum * (heads_q / v.heads) * (v.batch == 1 ? batch : 1);
}

MaskArrays even_mask(const MaskGeometry& geometry, double density) {
  MaskArrays mask = empty_mask(geometry);
  for_each_row(geometry, [&](const Row& row) {
    append_row(mask, geometry, row, static_cast<std::int32_t>(std::lround(density * row.visible)));
  });
  return mask;
}

MaskArrays uneven_mask(const MaskGeometry& geometry, double density, double sigma) {
  const Philox by_head{kSeed, 1u << 30}, by_row{kSeed, (1u << 30) + 1};
  std::vector<double> weights;
  double visible = 0.0;
  for_each_row(geometry, [&](const Row& row) {
    const auto head = static_cast<std::uint64_t>(row.batch * geometry.heads + row.head);
    const double z = by_head.normal(head) + by_row.normal(weights.size());
    weights.push_back(std::exp(sigma * std::sqrt(0.5) * z));
    visible += row.visible;
  });
  const auto length = [&](std::size_t i, const Row& row, double scale) {
    return std::clamp(static_cast<std::int32_t>(std::lround(std::min(1.0, scale * weights[i]) * row.visible)),
                      row.own_count(), row.visible);
  };
  double low = 0.0, high = 1.0 / *std::min_element(weights.begin(), weights.end());
  for (int step = 0; step < 60; ++step) {
    const double scale = 0.5 * (low + high);
    double kept = 0.0;
    std::size_t i = 0;
    for_each_row(geometry, [&](const Row& row) { kept += length(i++, row, scale); });
    (kept < density * visible ? low : high) = scale;
  }
  MaskArrays mask = empty_mask(geometry);
  std::size_t i = 0;
  for_each_row(geometry, [&](const Row& row) { append_row(mask, geometry, row, length(i++, row, high)); });
  return mask;
}

std::vector<NamedMask> masks_of_file(const std::string& path) {
  std::vector<NamedMask> masks;
  for (const io::MaskLayer& layer : io::read_mask(path)) {
    const HostBlockMask& from = layer.mask;
    if (from.batch != 1)
      throw Unsupported(fmt::format("{}: masks of a batch of {}; expected one sequence", path, from.batch));
    MaskArrays mask{to_vector(from.row_ptr),
                    to_vector(from.col_idx),
                    to_vector(from.kind),
                    to_vector(from.bits_index),
                    to_vector(from.bits),
                    from.view(),
                    false,
                    from.visible};
    mask.sizes.row_ptr = nullptr;
    mask.sizes.col_idx = nullptr;
    mask.sizes.kind = nullptr;
    mask.sizes.bits_index = nullptr;
    mask.sizes.bits = nullptr;
    mask.causal = std::any_of(mask.kind.begin(), mask.kind.end(), [](std::uint8_t k) { return k & kBlockCausal; });
    masks.push_back({fmt::format("{} layer {}", from.pattern, layer.index), std::move(mask)});
  }
  return masks;
}

std::vector<float> landmark_bias(const MaskArrays& mask, std::int64_t seq, std::int32_t batch, std::int32_t heads_q) {
  const BlockMaskView v = mask.view();
  MaskGeometry geometry;
  geometry.batch = batch;
  geometry.heads = heads_q;
  geometry.seq_q = geometry.seq_k = seq;
  geometry.block_q = v.block_q;
  geometry.block_k = v.block_k;
  geometry.causal = mask.causal;
  const auto blocks = static_cast<std::size_t>(v.blocks);
  std::vector<float> bias(static_cast<std::size_t>(geometry.rows()) * blocks, -std::numeric_limits<float>::infinity());
  auto row = bias.begin();
  for_each_row(geometry, [&](const Row& at) {
    std::fill_n(row, geometry.past_blocks(at.batch, at.tile), std::log(static_cast<float>(v.block_k)));
    const std::int64_t list = v.row(at.batch, at.head, heads_q, at.tile);
    for (std::int64_t e = v.row_ptr[list]; e < v.row_ptr[list + 1]; ++e)
      row[v.col_idx[e]] = -std::numeric_limits<float>::infinity();
    row += v.blocks;
  });
  return bias;
}

double dense_pairs(bool causal, std::int64_t seq, std::int32_t batch, std::int32_t heads_q) {
  const double n = static_cast<double>(seq);
  return batch * heads_q * (causal ? n * (n + 1.0) / 2.0 : n * n);
}

}  // namespace halftone::bench
