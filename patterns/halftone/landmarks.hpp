// The far field of the halftone pattern: one summary per block, and where it stands in for the block.
#pragma once

#include "halftone/core/block_mask.hpp"
#include "halftone/core/landmarks.hpp"

namespace halftone::patterns::detail {

/// Mean row of each block of `tensor` ([batch, heads, seq, dim], or packed [1, heads, total, dim]) in its element type,
/// [batch, heads, blocks, dim]; ragged blocks average what is there, blocks past a sequence's end are zero.
Tensor block_means(const Tensor& tensor, const MaskGeometry& geometry);

/// Landmarks with bias log(block_k) for blocks that lie wholly in the tile's past, were not selected
/// (priority <= tolerance[row]) and belong to a gated head; -infinity elsewhere. `gate` [heads_q] is 1 for gated heads;
/// `priorities` and `tolerance` are those of the lists, which groups of heads may share.
Landmarks make_landmarks(const Tensor& k, const Tensor& v, const Array<float>& priorities,
                         const Array<float>& tolerance, const Array<std::uint8_t>& gate, const MaskGeometry& geometry);

}  // namespace halftone::patterns::detail
