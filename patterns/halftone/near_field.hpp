// The forced near field of the halftone pattern; no Kokkos, no CUDA.
#pragma once

#include <cstdint>

#include "halftone/patterns/rule.hpp"

namespace halftone::patterns::detail {

/// The blocks of one query tile: [0, visible) can be kept, [0, sink_end) and [near_begin, near_end) always are.
struct TileBlocks {
  std::int64_t visible, sink_end, near_begin, near_end;

  HALFTONE_FUNCTION bool forced(std::int64_t block) const {
    return block < sink_end || (block >= near_begin && block < near_end);
  }
  HALFTONE_FUNCTION std::int64_t count_forced() const {
    const std::int64_t begin = near_begin > sink_end ? near_begin : sink_end;
    return sink_end + (near_end > begin ? near_end - begin : 0);
  }
};

/// Visible blocks that are always exact: leading ones, those that hold the tile's own positions, and their neighbours
/// (on both sides where the future is visible).
struct NearField {
  MaskGeometry geometry;
  std::int64_t sink_blocks, local_blocks;

  HALFTONE_FUNCTION TileBlocks blocks(std::int64_t b, std::int64_t tile) const {
    const std::int64_t visible = geometry.visible_blocks(b, tile);
    const Span own = own_blocks(geometry, b, tile);
    const std::int64_t begin = own.first - local_blocks, end = own.last + local_blocks + 1;
    return {visible, sink_blocks < visible ? sink_blocks : visible, begin < 0 ? 0 : begin,
            end < visible ? end : visible};
  }
  HALFTONE_FUNCTION bool forced(std::int64_t b, std::int64_t tile, std::int64_t block) const {
    return blocks(b, tile).forced(block);
  }
};

}  // namespace halftone::patterns::detail
