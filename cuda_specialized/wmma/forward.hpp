// Block-sparse and dense forward attention on mma.sync tensor cores: NVIDIA GPUs from Ampere (sm_80) on.
#pragma once

#include <cstddef>
#include <string>

#include "halftone/core/attention_params.hpp"

namespace halftone::cuda::wmma {

/// Why this kernel cannot serve the request on the current device; empty when it can. It serves float16 and bfloat16,
/// head dims that are multiples of 8 up to 128, masks and landmarks of query tiles that are multiples of 64, and key
/// blocks that are multiples of 64.
std::string refusal(const AttentionParams& params);

/// Device memory that forward() needs besides the request's own.
std::size_t workspace_bytes(const AttentionParams& params);

/// Enqueues the request on `stream` (a cudaStream_t; null: the default stream); all its pointers in device memory,
/// `workspace` of workspace_bytes(params).
/// No host synchronisation; may be captured into a CUDA graph. Throws Error when CUDA refuses a call.
void forward(const AttentionParams& params, void* workspace, void* stream);

}  // namespace halftone::cuda::wmma
