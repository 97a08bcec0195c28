#include "halftone/cuda_specialized/wmma/forward_launch.cuh"
#include "halftone/cuda_specialized/wmma/forward_launch.hpp"

namespace halftone::cuda::wmma {

void launch_dim128(const ForwardArgs& args, cudaStream_t stream) { launch_any<128>(args, stream); }

}  // namespace halftone::cuda::wmma
