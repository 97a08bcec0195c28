// Running a CUDA kernel on a request whose tensors lie in host memory (a build with a host-only Kokkos).
#pragma once

#include <cstddef>

#include "halftone/core/attention_params.hpp"

namespace halftone::cuda {

/// Copies the request to the device, runs `forward` on it and copies the outputs back; returns when all is done.
/// `workspace_bytes` and `forward` are a kernel's own. Throws Error when CUDA refuses a call, device memory included.
void run_staged(const AttentionParams& params, std::size_t (*workspace_bytes)(const AttentionParams&),
                void (*forward)(const AttentionParams&, void* workspace, void* stream));

}  // namespace halftone::cuda
