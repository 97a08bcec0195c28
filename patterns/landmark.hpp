// Local-global attention through landmarks.
#pragma once

#include "halftone/patterns/band.hpp"
#include "halftone/patterns/ranks.hpp"

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

/// As LandmarkRule, but the landmarks are the ceil(n / stride) columns of n that receive most attention, the heavy
/// hitters of Zhang et al. 2023, "H2O: Heavy-Hitter Oracle for Efficient Generative Inference of Large Language
/// Models", accumulated here over the mean queries of the tiles. O(1) per pair, O(N (window + N / stride)) kept.
struct AdaptiveLandmarkRule {
  static constexpr bool by_list = true;

  Band near;
  std::int64_t stride;
  Ranks columns;  ///< [lists, units of keys]

  HALFTONE_FUNCTION bool allowed(std::int64_t list, std::int64_t i, std::int64_t j, std::int64_t n) const {
    return near.allowed(i, j) || columns(list, j) < (n + stride - 1) / stride;
  }

  /// Only tells blocks that the window covers.
  HALFTONE_FUNCTION Cover cover(std::int64_t, Span rows, Span columns, std::int64_t) const {
    return near.cover(rows, columns) == Cover::all ? Cover::all : Cover::some;
  }
};

}  // namespace halftone::patterns
