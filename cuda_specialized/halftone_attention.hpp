// Halftone attention on raw device pointers: selection and sparse attention, one after the other on one stream.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "halftone/core/kernel_registry.hpp"
#include "halftone/cuda_specialized/common/workspace.hpp"
#include "halftone/cuda_specialized/selection/selection.hpp"

namespace halftone::cuda {

/// What a call enqueued; everything in device memory, in the workspace, until that is used again.
struct HalftoneAttention {
  selection::Selection selection;  ///< the lists, the landmarks, the outcome (density reached, tolerance applied)
  std::string_view kernel;         ///< the attention kernel that runs
};

/// The CUDA attention kernels, in order of preference: entries whose pointers lie in device memory.
std::span<const KernelEntry> attention_kernels();

/// Why the call cannot be served; empty when it can.
std::string halftone_refusal(const AttentionParams& params, const selection::SelectionOptions& options,
                             std::string_view kernel = "auto");

/// Device memory the call needs. Throws as the call does.
std::size_t halftone_workspace_bytes(const AttentionParams& params, const selection::SelectionOptions& options,
                                     std::string_view kernel = "auto");

/// Chooses blocks from q and k, and attends to them: fills the request's o, lse and far_mass (the latter two may be
/// null). The request's own mask and landmarks must be empty. All pointers, also in the options, in device memory.
/// Enqueues on `stream` (a cudaStream_t; null: the default stream) and returns; may be captured into a CUDA graph once
/// the workspace has grown. Throws InvalidArgument on contradictory requests, Unsupported with the refusals when no
/// kernel serves it.
HalftoneAttention halftone_attention(const AttentionParams& params, const selection::SelectionOptions& options,
                                     Workspace& workspace, void* stream, std::string_view kernel = "auto");

/// Likewise, in device memory of the caller's at a multiple of 256; InvalidArgument when `bytes` are too few.
HalftoneAttention halftone_attention(const AttentionParams& params, const selection::SelectionOptions& options,
                                     void* memory, std::size_t bytes, void* stream, std::string_view kernel = "auto");

}  // namespace halftone::cuda
