// The rows of a launch: one query tile of one head of one sequence each.
#pragma once

#include "halftone/core/attention_params.hpp"

namespace halftone::cuda {

/// Which sequence, head and queries a row is. Positions fit 32 bits (request_refusal sees to it), which spares the
/// kernels registers.
struct RowPlace {
  std::int32_t b, head, head_kv, tile;
  std::int32_t first_query;                     ///< of the tile
  std::int32_t begin_q, begin_k, len_q, len_k;  ///< as in SequenceExtent

  /// The last key that query 0 sees when causal.
  __device__ std::int32_t diagonal() const { return len_k - len_q; }
};

/// Rows count (batch * heads_q + head) * tiles + tile, with tiles of `block_m` queries.
__device__ inline RowPlace row_place(const AttentionParams& p, std::int32_t tiles, int block_m, std::int32_t row) {
  RowPlace at;
  at.tile = row % tiles;
  at.head = row / tiles % p.heads_q;
  at.b = row / tiles / p.heads_q;
  at.head_kv = at.head / (p.heads_q / p.heads_kv);
  at.first_query = at.tile * block_m;
  const SequenceExtent extent = sequence_extent(p, at.b);
  at.begin_q = static_cast<std::int32_t>(extent.begin_q);
  at.begin_k = static_cast<std::int32_t>(extent.begin_k);
  at.len_q = static_cast<std::int32_t>(extent.len_q);
  at.len_k = static_cast<std::int32_t>(extent.len_k);
  return at;
}

/// The next-th row to start where nothing is known of a mask: the last query tiles first where rows grow with the tile,
/// otherwise head by head so that its keys stay in the cache.
__device__ inline std::int32_t natural_row(const AttentionParams& p, std::int32_t tiles, std::int32_t next) {
  if (!p.causal) return next;
  const std::int32_t heads = p.batch * p.heads_q;
  return next % heads * tiles + (tiles - 1 - next / heads);
}

}  // namespace halftone::cuda
