// Block-sparse and dense forward attention for Hopper (sm_90a): TMA, wgmma, warp specialisation.
#pragma once

#include <cstddef>
#include <string>

#include "halftone/core/attention_params.hpp"

namespace halftone::cuda::sm90 {

/// Why this kernel cannot serve the request on the current device; empty when it can. It serves float16 and bfloat16,
/// head dims that are multiples of 8 up to 256, masks of 128-query tiles and 64- or 128-key blocks.
std::string refusal(const AttentionParams& params);

/// Device memory that forward() needs besides the request's own.
std::size_t workspace_bytes(const AttentionParams& params);

/// Enqueues the request on `stream` (a cudaStream_t; null: the default stream); all its pointers in device memory, `workspace` of workspace_bytes(params).
/// No host synchronisation; may be captured into a CUDA graph. Throws Error when CUDA refuses a call.
void forward(const AttentionParams& params, void* workspace, void* stream);

}  // namespace halftone::cuda::sm90
