// Fixed attention (Sparse Transformer).
#pragma once

#include "halftone/patterns/rule.hpp"

namespace halftone::patterns {

/// allowed(i, j) = floor(i / stride) = floor(j / stride) or j mod stride >= stride - summary or j < sink.
/// Child et al. 2019, "Generating Long Sequences with Sparse Transformers", section 4.3: A1 (the own segment) and A2
/// (the last `summary` positions of every segment) merged in every head; the paper has no sink. A summary that is not
/// whole is dithered over rows and segments. O(1) per pair, O(N (stride + summary N / stride)) kept.
struct FixedRule {
  std::int64_t stride;
  Dithered summary;
  std::int64_t sink;

  HALFTONE_FUNCTION bool allowed(std::int64_t, std::int64_t i, std::int64_t j, std::int64_t) const {
    const std::int64_t segment = j / stride;
    if (j < sink || floor_div(i, stride) == segment) return true;
    return j - segment * stride >= stride - summary(floor_div(i, summary.step), segment);
  }

  /// Only tells blocks that neither the own segments nor a summary touches.
  HALFTONE_FUNCTION Cover cover(std::int64_t, Span rows, Span columns, std::int64_t) const {
    const std::int64_t first = columns.first / stride, last = columns.last / stride;
    const bool apart = floor_div(rows.first, stride) > last || floor_div(rows.last, stride) < first;
    const bool ends = last > first || columns.last - last * stride >= stride - summary.most();
    return apart && columns.first >= sink && !(ends && summary.most() > 0) ? Cover::none : Cover::some;
  }
};

}  // namespace halftone::patterns
