// One function per head dim, each in a source file of its own so that they compile in parallel.
#pragma once

#include <cuda_runtime.h>

#include "halftone/cuda_specialized/wmma/forward_args.hpp"

namespace halftone::cuda::wmma {

void launch_dim64(const ForwardArgs& args, cudaStream_t stream);
void launch_dim128(const ForwardArgs& args, cudaStream_t stream);

/// Whether this build holds code that the current device can run.
bool built_for_device();

}  // namespace halftone::cuda::wmma
