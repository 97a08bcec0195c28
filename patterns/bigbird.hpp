// Window, global and random blocks (BigBird).
#pragma once

#include "halftone/patterns/band.hpp"
#include "halftone/patterns/random_order.hpp"

namespace halftone::patterns {

/// allowed(i, j) = |i - j| < window or j < global or i < global or j is one of the `random` columns of row i and head.
/// Random columns are drawn without replacement from those that are neither near nor global (causal: nor ahead).
/// Zaheer et al. 2020, "Big Bird: Transformers for Longer Sequences" (internal global tokens). O(1) per pair.
struct BigBirdRule {
  Band near;        ///< its leading columns are the global tokens
  Dithered random;  ///< columns of each row
  std::uint64_t seed;

  HALFTONE_FUNCTION bool allowed(std::int64_t head, std::int64_t i, std::int64_t j, std::int64_t n) const {
    if (i < near.leading || near.allowed(i, j)) return true;
    if (near.causal && j > i) return false;
    // Candidates: [leading, before) and, when not causal, [after, n).
    std::int64_t before = i - near.reach(i) + 1, after = i + near.reach(i);
    if (before < near.leading) before = near.leading;
    if (after < before) after = before;
    const std::int64_t behind = before - near.leading, ahead = near.causal || after > n ? 0 : n - after;
    const std::int64_t rank = j < before ? j - near.leading : behind + j - after;
    const RandomOrder order(seed, static_cast<std::uint64_t>(head), static_cast<std::uint64_t>(i),
                            static_cast<std::uint32_t>(behind + ahead));
    return order.position(static_cast<std::uint32_t>(rank)) < random(i, head);
  }
};

}  // namespace halftone::patterns
