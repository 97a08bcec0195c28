// Spherical k-means over the queries and keys of every head.
#pragma once

#include <cstdint>

#include "halftone/core/block_mask.hpp"
#include "halftone/patterns/buckets.hpp"
#include "halftone/patterns/pooling.hpp"

namespace halftone::patterns {

/// Subtracts every row's mean and scales it to length 1, in place: the direction of its layer norm. Constant rows
/// become 0.
void normalise_rows(const Rows& rows);

/// Clusters the unit rows q [batch, heads, >= seq_q, dim] and k [batch, heads_kv, >= seq_k, dim] of every (sequence,
/// query head) together, and returns the cluster of each (one round). Centroids begin at distinct rows drawn by
/// RandomOrder(seed, batch * heads + head, 0, len_q + len_k), queries before keys; `iterations` times every row goes to
/// the centroid with the largest product (the first of equals), and centroids to the direction of their rows' sum (or
/// stay, where that is 0); then rows are assigned once more. Sums run in the order of rows: deterministic.
/// O(heads iterations N clusters dim) time.
Buckets cluster(const MaskGeometry& geometry, const Rows& q, const Rows& k, std::int64_t clusters,
                std::int64_t iterations, std::uint64_t seed);

}  // namespace halftone::patterns
