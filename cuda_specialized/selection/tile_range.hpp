// What a tile of queries sees: MaskGeometry and NearField in 32 bits and without divisions, cheap enough for every
// kernel to work it out where it needs it.
#pragma once

#include <cstdint>

#include "halftone/core/portability.hpp"

namespace halftone::cuda::selection {

inline constexpr int kLog2TileQueries = 7, kTileQueries = 1 << kLog2TileQueries;  ///< queries per tile

/// Blocks of one tile: [0, visible) can be kept, [0, sink_end) and [near_begin, near_end) always are.
struct TileRange {
  std::int32_t visible, sink_end, near_begin, near_end;

  HALFTONE_FUNCTION bool forced(std::int32_t block) const {
    return (block < sink_end) | ((block >= near_begin) & (block < near_end));
  }
  HALFTONE_FUNCTION std::int32_t count_forced() const {
    const std::int32_t begin = near_begin > sink_end ? near_begin : sink_end;
    return sink_end + (near_end > begin ? near_end - begin : 0);
  }
};

/// More than any sequence has.
inline constexpr std::int32_t kMostLocalBlocks = 1 << 29;

/// One sequence in tiles of queries and blocks of 1 << log2_block keys; lengths up to 2^28, local_blocks to
/// kMostLocalBlocks.
struct SequenceTiles {
  std::int32_t len_q, len_k;
  std::int32_t log2_block, sink_blocks, local_blocks;
  bool causal;  ///< the diagonal ends at the last query and the last key

  HALFTONE_FUNCTION std::int32_t tiles() const { return (len_q + kTileQueries - 1) >> kLog2TileQueries; }
  /// Queries of the tile that exist.
  HALFTONE_FUNCTION std::int32_t queries(std::int32_t tile) const { return clamped(len_q - first(tile), kTileQueries); }
  /// Leading blocks that hold a key visible to some query of the tile.
  HALFTONE_FUNCTION std::int32_t visible(std::int32_t tile) const {
    return ((keys_before(end(tile)) + (1 << log2_block) - 1) >> log2_block) * exists(tile);
  }
  /// Leading blocks that lie wholly within what the tile's first query sees.
  HALFTONE_FUNCTION std::int32_t past(std::int32_t tile) const {
    return (keys_before(first(tile) + 1) >> log2_block) * exists(tile);
  }
  /// Leading blocks that cross the end neither of the keys nor of the queries.
  HALFTONE_FUNCTION std::int32_t whole(std::int32_t tile) const {
    return first(tile + 1) > len_q ? 0 : len_k >> log2_block;
  }
  HALFTONE_FUNCTION TileRange range(std::int32_t tile) const {
    const std::int32_t seen = visible(tile), own = first(tile) + len_k - len_q;
    const std::int32_t own_begin = (causal && own < 0 ? 0 : own) >> log2_block;
    const std::int32_t near_end = ((end(tile) - 1 + len_k - len_q) >> log2_block) + local_blocks + 1;
    const std::int32_t near_begin = own_begin - local_blocks;
    return {seen, sink_blocks < seen ? sink_blocks : seen, near_begin < 0 ? 0 : near_begin,
            near_end < seen ? near_end : seen};
  }

 private:
  HALFTONE_FUNCTION static std::int32_t first(std::int32_t tile) { return tile << kLog2TileQueries; }
  HALFTONE_FUNCTION std::int32_t end(std::int32_t tile) const {
    return first(tile + 1) < len_q ? first(tile + 1) : len_q;
  }
  HALFTONE_FUNCTION bool exists(std::int32_t tile) const { return first(tile) < len_q; }
  HALFTONE_FUNCTION static std::int32_t clamped(std::int32_t n, std::int32_t most) {
    return n < 0 ? 0 : n < most ? n : most;
  }
  /// Keys visible to the last of the first `queries` queries: [0, result).
  HALFTONE_FUNCTION std::int32_t keys_before(std::int32_t queries) const {
    return causal ? clamped(queries + len_k - len_q, len_k) : len_k;
  }
};

}  // namespace halftone::cuda::selection
