// The block mask as kernels see it: plain pointers, no ownership, no Kokkos.
#pragma once

#include <cstdint>

#include "halftone/core/portability.hpp"

namespace halftone {

/// What decides inside a kept block, as a set of flags; 0 means every (query, key) pair of it counts.
/// A pair counts when every flagged rule allows it.
enum BlockKind : std::uint8_t {
  kBlockFull = 0,
  kBlockCausal = 1,  ///< key <= query + (len_k - len_q)
  kBlockWindow = 2,  ///< -window_right <= query + (len_k - len_q) - key <= window_left
  kBlockRagged = 4,  ///< the block crosses the end of the queries or of the keys
  kBlockBits = 8,    ///< explicit bits
};

/// Block-CSR mask per (batch, head, query tile). Query tiles hold block_q rows, key blocks block_k keys; both count
/// from the start of their own sequence, also in packed batches (tiles past a shorter sequence's end have empty rows).
struct BlockMaskView {
  const std::int64_t* row_ptr = nullptr;     ///< [batch * heads * tiles + 1]; null: no mask, every block is kept
  const std::int32_t* col_idx = nullptr;     ///< [nnz] key block indices, ascending within a row
  const std::uint8_t* kind = nullptr;        ///< [nnz] BlockKind flags
  const std::int32_t* bits_index = nullptr;  ///< [nnz] index into bits for blocks with kBlockBits; null when none has
  const std::uint64_t* bits = nullptr;       ///< [bit blocks, block_q, block_k / 64]; bit j of word w: key 64 w + j
  std::int64_t window_left = 0, window_right = 0;  ///< used by kBlockWindow, in keys
  std::int32_t batch = 0;                    ///< the request's batch, or 1: shared by the batch
  std::int32_t heads = 0;                    ///< heads_q, heads_kv (one list per group) or 1: must divide heads_q
  std::int32_t tiles = 0;                    ///< query tiles per (batch, head): ceil(seq_q / block_q)
  std::int32_t blocks = 0;                   ///< key blocks: ceil(seq_k / block_k)
  std::int32_t block_q = 0, block_k = 0;     ///< block_k is a multiple of 64

  HALFTONE_FUNCTION std::int64_t row(std::int64_t b, std::int64_t head_q, std::int64_t heads_q, std::int64_t tile) const {
    const std::int64_t mask_b = batch == 1 ? 0 : b;
    return (mask_b * heads + static_cast<std::int32_t>(head_q) / (static_cast<std::int32_t>(heads_q) / heads)) * tiles +
           tile;
  }

  /// Whether the rules of block `entry` (key block col_idx[entry] of query tile `tile`) allow the pair
  /// (query, key), positions in a sequence of len_q queries and len_k keys.
  HALFTONE_FUNCTION bool allows(std::int64_t entry, std::int64_t query, std::int64_t key, std::int64_t len_q,
                                std::int64_t len_k) const {
    const std::uint8_t flags = kind[entry];
    const std::int64_t distance = query + (len_k - len_q) - key;
    if ((flags & kBlockRagged) && (query >= len_q || key >= len_k)) return false;
    if ((flags & kBlockCausal) && distance < 0) return false;
    if ((flags & kBlockWindow) && (distance > window_left || -distance > window_right)) return false;
    if (flags & kBlockBits) {
      const std::int64_t words = block_k / 64, i = query % block_q, j = key % block_k;
      const std::uint64_t word = bits[(bits_index[entry] * std::int64_t{block_q} + i) * words + j / 64];
      return (word >> (j % 64)) & 1u;
    }
    return true;
  }
};

}  // namespace halftone
