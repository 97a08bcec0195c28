// The one macro that CUDA calls go through.
#pragma once

#include <cuda_runtime.h>

#include <string>

#include "halftone/core/error.hpp"

namespace halftone::cuda {

/// Throws Error("<call>: <CUDA's message>") unless the call succeeded.
inline void check(cudaError_t status, const char* call) {
  if (status != cudaSuccess) throw Error(std::string(call) + ": " + cudaGetErrorString(status));
}

}  // namespace halftone::cuda

#define HALFTONE_CUDA_CHECK(call) ::halftone::cuda::check((call), #call)
