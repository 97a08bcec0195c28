// Estimated attention mass per block, and what a tile's representatives make of it.
#pragma once

#include "halftone/core/block_mask.hpp"
#include "halftone/core/tensor.hpp"
#include "halftone/patterns/halftone/halftone.hpp"
#include "halftone/patterns/halftone/statistics.hpp"

namespace halftone::patterns::detail {

/// The scores of halftone_scores for checked arguments; `scale` is the softmax scale itself. `log_mass`, where it has
/// elements, receives what halftone_log_mass returns.
Array<float> score_blocks(const Tensor& q, const KeyStatistics& statistics, const MaskGeometry& geometry, float scale,
                          const HalftoneOptions& options, const Array<float>& log_mass = {});

}  // namespace halftone::patterns::detail
