// Strided attention (Sparse Transformer).
#pragma once

#include "halftone/patterns/band.hpp"

namespace halftone::patterns {

/// allowed(i, j) = |i - j| < window or (i - j) mod stride = 0 or j < sink.
/// Child et al. 2019, "Generating Long Sequences with Sparse Transformers", section 4.3: A1 (the window) and A2 (the
/// columns) merged in every head; the paper has window = stride and no sink. O(1) per pair, O(N (window + N / stride))
/// kept.
struct StridedRule {
  Band near;
  std::int64_t stride;

  HALFTONE_FUNCTION bool allowed(std::int64_t, std::int64_t i, std::int64_t j, std::int64_t) const {
    return near.allowed(i, j) || (i - j) % stride == 0;
  }

  /// Only tells blocks that neither the window nor a column touches.
  HALFTONE_FUNCTION Cover cover(std::int64_t, Span rows, Span columns, std::int64_t) const {
    const Cover band = near.cover(rows, columns);
    if (band != Cover::none) return band == Cover::all ? band : Cover::some;
    const std::int64_t highest = floor_div(rows.last - columns.first, stride) * stride;
    return highest < rows.first - columns.last ? Cover::none : Cover::some;
  }
};

}  // namespace halftone::patterns
