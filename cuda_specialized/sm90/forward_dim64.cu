#include "halftone/cuda_specialized/sm90/forward_launch.cuh"
#include "halftone/cuda_specialized/sm90/forward_launch.hpp"

namespace halftone::cuda::sm90 {

void launch_dim64(const ForwardArgs& args, cudaStream_t stream) { launch_any<ForwardConfig<64>>(args, stream); }

}  // namespace halftone::cuda::sm90
