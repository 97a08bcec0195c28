// Launching a kernel that may start while the one before it still runs.
#pragma once

#include "halftone/cuda_specialized/common/check.hpp"
#include "halftone/cuda_specialized/selection/plan.hpp"

namespace halftone::cuda::selection {

/// Programmatic dependent launch: `kernel` calls wait_for_previous_kernel() before it touches what that writes.
inline void launch_after(void (*kernel)(Plan), const Plan& plan, int blocks, int threads, int shared_bytes,
                         cudaStream_t stream) {
  cudaLaunchAttribute early{};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(blocks));
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.dynamicSmemBytes = static_cast<std::size_t>(shared_bytes);
  config.stream = stream;
  config.attrs = &early;
  config.numAttrs = 1;
  HALFTONE_CUDA_CHECK(cudaLaunchKernelEx(&config, kernel, plan));
}

}  // namespace halftone::cuda::selection
