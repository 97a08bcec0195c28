// The geometry that patterns fill: sizes and visibility; no Kokkos, no CUDA.
#pragma once

#include <cstdint>

#include "halftone/core/block_mask_view.hpp"

namespace halftone {

/// Sizes of a block mask and the rule of visibility; trivially copyable, usable in kernels.
/// Lengths per sequence come from cu_seqlens (packed batch) or are seq_q and seq_k for all.
struct MaskGeometry {
  std::int32_t batch = 1, heads = 1;
  std::int64_t seq_q = 0, seq_k = 0;  ///< packed: the longest sequence's
  std::int32_t block_q = 128, block_k = 64;
  bool causal = true;
  const std::int32_t* cu_seqlens_q = nullptr;  ///< [batch + 1] in the pattern's memory space, or null
  const std::int32_t* cu_seqlens_k = nullptr;  ///< [batch + 1], null exactly when cu_seqlens_q is

  HALFTONE_FUNCTION std::int32_t tiles() const { return static_cast<std::int32_t>((seq_q + block_q - 1) / block_q); }
  HALFTONE_FUNCTION std::int32_t blocks() const { return static_cast<std::int32_t>((seq_k + block_k - 1) / block_k); }
  HALFTONE_FUNCTION std::int64_t rows() const { return std::int64_t{batch} * heads * tiles(); }

  HALFTONE_FUNCTION std::int64_t len_q(std::int64_t b) const {
    return cu_seqlens_q ? cu_seqlens_q[b + 1] - cu_seqlens_q[b] : seq_q;
  }
  HALFTONE_FUNCTION std::int64_t len_k(std::int64_t b) const {
    return cu_seqlens_k ? cu_seqlens_k[b + 1] - cu_seqlens_k[b] : seq_k;
  }

  /// Keys of sequence b visible to query `query`: [0, visible_keys), causal diagonal at the bottom right.
  HALFTONE_FUNCTION std::int64_t visible_keys(std::int64_t b, std::int64_t query) const {
    const std::int64_t lk = len_k(b);
    if (!causal) return lk;
    const std::int64_t end = query + (lk - len_q(b)) + 1;
    return end < 0 ? 0 : (end < lk ? end : lk);
  }

  /// Leading key blocks that hold at least one key visible to some query of the tile; 0 past the sequence's end.
  HALFTONE_FUNCTION std::int32_t visible_blocks(std::int64_t b, std::int64_t tile) const {
    const std::int64_t first = tile * block_q, lq = len_q(b);
    if (first >= lq) return 0;
    const std::int64_t last = first + block_q < lq ? first + block_q - 1 : lq - 1;
    return static_cast<std::int32_t>((visible_keys(b, last) + block_k - 1) / block_k);
  }

  /// Leading key blocks that lie wholly within what the tile's first query sees (the ones landmarks may stand for).
  HALFTONE_FUNCTION std::int32_t past_blocks(std::int64_t b, std::int64_t tile) const {
    const std::int64_t first = tile * block_q;
    if (first >= len_q(b)) return 0;
    return static_cast<std::int32_t>(visible_keys(b, first) / block_k);
  }

  /// Leading key blocks of a tile that cross the end neither of the keys nor of the queries.
  HALFTONE_FUNCTION std::int32_t whole_blocks(std::int64_t b, std::int64_t tile) const {
    return (tile + 1) * block_q > len_q(b) ? 0 : static_cast<std::int32_t>(len_k(b) / block_k);
  }

  /// Causal and ragged flags (BlockKind) that block `block` of a tile of the sequence needs.
  HALFTONE_FUNCTION std::uint8_t edge_kind(std::int64_t b, std::int64_t tile, std::int64_t block) const {
    return edge_kind_after(past_blocks(b, tile), whole_blocks(b, tile), block);
  }
  /// The same where past_blocks and whole_blocks of the tile are known.
  HALFTONE_FUNCTION std::uint8_t edge_kind_after(std::int32_t past, std::int32_t whole, std::int64_t block) const {
    return static_cast<std::uint8_t>((block >= whole ? kBlockRagged : kBlockFull) |
                                     (causal && block >= past ? kBlockCausal : kBlockFull));
  }
};

}  // namespace halftone
