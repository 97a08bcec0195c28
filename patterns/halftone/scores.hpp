// Estimated attention mass per block, and what a tile's representatives make of it.
#pragma once

#include <cmath>

#include "halftone/core/block_mask.hpp"
#include "halftone/core/tensor.hpp"
#include "halftone/patterns/halftone/halftone.hpp"
#include "halftone/patterns/halftone/statistics.hpp"

namespace halftone::patterns::detail {

/// How far the spread of a micro-block's logits lifts its log-mass above the mean logit: for normal logits half their
/// variance g, but n keys cannot exceed their own maximum, about sqrt(2 g ln n) above the mean:
///   kappa(g) = g / 2  while g <= 2 ln n,  sqrt(2 g ln n) - ln n  beyond. Continuous with its first derivative.
HALFTONE_FUNCTION inline float kappa(float variance, float log_count) {
  const float capped = std::sqrt(2.0f * variance * log_count) - log_count;
  return variance <= 2.0f * log_count ? 0.5f * variance : capped;
}

/// The scores of halftone_scores for checked arguments; `scale` is the softmax scale itself.
Array<float> score_blocks(const Tensor& q, const KeyStatistics& statistics, const MaskGeometry& geometry, float scale,
                          int representatives, Aggregation aggregation);

}  // namespace halftone::patterns::detail
