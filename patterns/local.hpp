// Sliding window with attention sinks.
#pragma once

#include "halftone/patterns/band.hpp"

namespace halftone::patterns {

/// allowed(i, j) = |i - j| < window or j < sink.
/// Beltagy et al. 2020 (sliding window); Xiao et al. 2023, StreamingLLM (sinks). O(1) per pair, O(N window) kept.
struct LocalRule {
  Band near;

  HALFTONE_FUNCTION bool allowed(std::int64_t, std::int64_t i, std::int64_t j, std::int64_t) const {
    return near.allowed(i, j);
  }
  HALFTONE_FUNCTION Cover cover(std::int64_t, Span rows, Span columns, std::int64_t) const {
    return near.cover(rows, columns);
  }
  std::int64_t window_flag() const { return near.window.low; }
};

}  // namespace halftone::patterns
