// One function per head dim, each in a source file of its own so that they compile in parallel.
#pragma once

#include <cuda_runtime.h>

#include "halftone/cuda_specialized/sm90/forward_args.hpp"

namespace halftone::cuda::sm90 {

void launch_dim64(const ForwardArgs& args, cudaStream_t stream);
void launch_dim128(const ForwardArgs& args, cudaStream_t stream);
void launch_dim256(const ForwardArgs& args, cudaStream_t stream);

}  // namespace halftone::cuda::sm90
