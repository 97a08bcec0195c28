// Block masks that own their memory.
#pragma once

#include <cstdint>
#include <string>

#include "halftone/core/block_mask_view.hpp"
#include "halftone/core/kokkos_compat.hpp"
#include "halftone/core/mask_geometry.hpp"

namespace halftone {

/// Block-CSR mask in one memory space; copies share the data. Fields as in BlockMaskView.
template <class Space>
struct BasicBlockMask {
  template <class T>
  using Data = Kokkos::View<T*, Space>;

  Data<std::int64_t> row_ptr;
  Data<std::int32_t> col_idx;
  Data<std::uint8_t> kind;
  Data<std::int32_t> bits_index;  ///< empty when no block has bits
  Data<std::uint64_t> bits;
  std::int64_t window_left = 0, window_right = 0;
  std::int32_t batch = 0, heads = 0, tiles = 0, blocks = 0, block_q = 0, block_k = 0;
  std::int64_t visible = 0;  ///< blocks that hold at least one visible pair, over all rows: the density's denominator

  std::string pattern;            ///< the generator's name
  std::string parameters = "{}";  ///< its parameters as JSON

  std::int64_t kept() const { return static_cast<std::int64_t>(col_idx.extent(0)); }
  /// Kept blocks over visible blocks; 0 when nothing is visible.
  double density() const { return visible > 0 ? static_cast<double>(kept()) / static_cast<double>(visible) : 0.0; }

  BlockMaskView view() const {
    BlockMaskView v;
    v.row_ptr = row_ptr.data();
    v.col_idx = col_idx.data();
    v.kind = kind.data();
    v.bits_index = bits_index.extent(0) ? bits_index.data() : nullptr;
    v.bits = bits.extent(0) ? bits.data() : nullptr;
    v.window_left = window_left;
    v.window_right = window_right;
    v.batch = batch;
    v.heads = heads;
    v.tiles = tiles;
    v.blocks = blocks;
    v.block_q = block_q;
    v.block_k = block_k;
    return v;
  }
};

using BlockMask = BasicBlockMask<MemSpace>;
using HostBlockMask = BasicBlockMask<HostSpace>;

HostBlockMask to_host(const BlockMask& mask);
BlockMask to_device(const HostBlockMask& mask);

/// Blocks of `geometry` that hold at least one visible pair, over all batches, heads and tiles.
std::int64_t count_visible_blocks(const MaskGeometry& geometry);

/// Throws InvalidArgument when the mask breaks an invariant of BlockMaskView: row pointers that do not start at 0, rise
/// and end at nnz, columns out of range or not ascending, unknown kinds, bit indices out of range, wrong lengths.
void validate(const HostBlockMask& mask);

}  // namespace halftone
