#include "halftone/cuda_specialized/wmma/forward_launch.cuh"
#include "halftone/cuda_specialized/wmma/forward_launch.hpp"

namespace halftone::cuda::wmma {

void launch_dim64(const ForwardArgs& args, cudaStream_t stream) { launch_any<64>(args, stream); }

bool built_for_device() {
  cudaFuncAttributes attributes;
  const auto kernel = forward_kernel<ForwardConfig<64, 64>, float16, false>;
  const bool found = cudaFuncGetAttributes(&attributes, kernel) == cudaSuccess;
  cudaGetLastError();  // clears the error of a missing kernel image
  return found;
}

}  // namespace halftone::cuda::wmma
