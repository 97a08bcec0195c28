// Hierarchical attention: a near field, and ever coarser samples of the far field.
#pragma once

#include "halftone/patterns/band.hpp"

namespace halftone::patterns {

/// allowed(i, j) = |i - j| < window or j < sink or j mod 2^l = 2^l - 1, where l = floor(log2(|i - j| / window)) + 1.
/// Level l holds the distances in [window 2^(l-1), window 2^l); of its cells of 2^l positions, which lie on one
/// dyadic grid for all rows, the last position is kept: window / 2 positions at every level, as in an H-matrix.
/// The near-far hierarchy of H-Transformer-1D (Zhu and Soricut 2021), sampled instead of averaged, as LogSparse (Li et
/// al. 2019) and LongNet (Ding et al. 2023: dilation grows with distance) do; the sink is StreamingLLM's.
/// O(log N) per pair, O(N window log(N / window)) kept.
struct HierarchicalRule {
  Band near;

  HALFTONE_FUNCTION bool allowed(std::int64_t, std::int64_t i, std::int64_t j, std::int64_t) const {
    if (near.allowed(i, j)) return true;
    const std::int64_t distance = i < j ? j - i : i - j;
    std::int64_t cell = 2;
    for (std::int64_t reach = 2 * near.reach(i); reach <= distance; reach *= 2) cell *= 2;
    return j % cell == cell - 1;
  }

  /// Only tells blocks that lie within the near field.
  HALFTONE_FUNCTION Cover cover(std::int64_t, Span rows, Span columns, std::int64_t) const {
    return near.cover(rows, columns) == Cover::all ? Cover::all : Cover::some;
  }
};

}  // namespace halftone::patterns
