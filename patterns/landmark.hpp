// Local-global attention through landmarks.
#pragma once

#include "halftone/patterns/band.hpp"

namespace halftone::patterns {

/// allowed(i, j) = |i - j| < window or j < sink or j mod stride = stride - 1: the last position of every segment stands
/// for it and is seen from everywhere. Mohtashami and Jaggi 2023, "Landmark Attention: Random-Access Infinite Context
/// Length for Transformers" (a landmark closes every block; here it is not a token of its own), with the sliding window
/// of local-global attention in place of the own block. O(1) per pair, O(N (window + N / stride)) kept.
struct LandmarkRule {
  Band near;
  std::int64_t stride;

  HALFTONE_FUNCTION bool allowed(std::int64_t, std::int64_t i, std::int64_t j, std::int64_t) const {
    return near.allowed(i, j) || j % stride == stride - 1;
  }

  /// Only tells blocks that the window covers, and those that neither it nor a landmark touches.
  HALFTONE_FUNCTION Cover cover(std::int64_t, Span rows, Span columns, std::int64_t) const {
    const Cover band = near.cover(rows, columns);
    const bool landmark = (columns.last + 1) / stride > columns.first / stride;
    return landmark && band != Cover::all ? Cover::some : band;
  }
  std::int64_t window_flag() const { return near.window.low; }
};

}  // namespace halftone::patterns
