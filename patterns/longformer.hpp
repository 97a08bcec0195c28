// Sliding window and global tokens (Longformer).
#pragma once

#include "halftone/patterns/band.hpp"

namespace halftone::patterns {

/// allowed(i, j) = |i - j| < window or j < global or i < global: global tokens see and are seen by all.
/// Beltagy et al. 2020, "Longformer: The Long-Document Transformer", without dilation. O(1) per pair.
struct LongformerRule {
  Band near;  ///< its leading columns are the global tokens

  HALFTONE_FUNCTION bool allowed(std::int64_t, std::int64_t i, std::int64_t j, std::int64_t) const {
    return i < near.leading || near.allowed(i, j);
  }
  HALFTONE_FUNCTION Cover cover(std::int64_t, Span rows, Span columns, std::int64_t) const {
    if (rows.last < near.leading) return Cover::all;
    return rows.first < near.leading ? Cover::some : near.cover(rows, columns);
  }
  std::int64_t window_flag() const { return near.window.low; }
};

}  // namespace halftone::patterns
