// Queries and keys sorted into buckets, and what that says about blocks.
#pragma once

#include <cstdint>

#include "halftone/patterns/topk_select.hpp"

namespace halftone::patterns {

/// Bucket of every row, for several independent ways (rounds) of sorting. The heads of `k` divide those of `q`: query
/// head h goes with head h / (heads_q / heads_k). Rows behind a sequence's end have any bucket.
struct Buckets {
  using Ids = Kokkos::View<std::int32_t****, Kokkos::LayoutRight, MemSpace>;  ///< [batch, heads, rounds, rows]

  Ids q, k;
  std::int64_t count;  ///< ids are 0 .. count - 1
};

/// scores(row, c) = number of (query of the tile, key of block c, round) where query and key share a bucket, whatever
/// their order in time. O(heads rounds (N^2 / block_q + N buckets)) time, a row of buckets per team.
Scores count_collisions(const MaskGeometry& geometry, const Buckets& buckets);

}  // namespace halftone::patterns
