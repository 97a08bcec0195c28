// Attention on any Kokkos backend: one team per query tile, streaming softmax, block-sparse or dense.
#pragma once

#include <string>

#include "halftone/core/attention_params.hpp"
#include "halftone/core/kokkos_compat.hpp"

namespace halftone::portable {

/// Enqueues the request on `space`; all pointers in its memory space. Serves everything AttentionParams can say, for
/// head dims up to 256. Time O(kept blocks), memory beyond inputs and outputs O(1) per team.
/// The online softmax is that of Milakov and Gimelshein (arXiv 1805.02867) and FlashAttention (arXiv 2205.14135).
void attention(const ExecSpace& space, const AttentionParams& params);

/// For kernel_table(): why the request cannot be served; empty when it can.
std::string refusal(const AttentionParams& params);

}  // namespace halftone::portable
