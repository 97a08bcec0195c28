// Dilated sliding window.
#pragma once

#include "halftone/patterns/band.hpp"

namespace halftone::patterns {

/// allowed(i, j) = (|i - j| mod dilation = 0 and |i - j| < window * dilation) or j < sink.
/// Beltagy et al. 2020, "Longformer: The Long-Document Transformer", section 3.1 (dilated sliding window); the sink is
/// StreamingLLM's. Heads with windows of their own: pattern per_head. O(1) per pair, O(N window) kept.
struct DilatedRule {
  Dithered window;  ///< positions from the own one to the farthest one, itself included
  std::int64_t dilation, sink;

  HALFTONE_FUNCTION bool allowed(std::int64_t, std::int64_t i, std::int64_t j, std::int64_t) const {
    const std::int64_t distance = i < j ? j - i : i - j;
    return j < sink || (distance % dilation == 0 && distance / dilation < window(floor_div(i, window.step)));
  }

  /// Only tells blocks of the sink and those beyond every window.
  HALFTONE_FUNCTION Cover cover(std::int64_t, Span rows, Span columns, std::int64_t) const {
    if (columns.last < sink) return Cover::all;
    const std::int64_t behind = rows.first - columns.last, ahead = columns.first - rows.last;
    const bool beyond = (behind > ahead ? behind : ahead) > (window.most() - 1) * dilation;
    return beyond && columns.first >= sink ? Cover::none : Cover::some;
  }
};

}  // namespace halftone::patterns
