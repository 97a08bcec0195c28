// Launches the kernel that fits a request's tile, element type and features.
#pragma once

#include "halftone/cuda_specialized/common/check.hpp"
#include "halftone/cuda_specialized/wmma/forward_kernel.cuh"

namespace halftone::cuda::wmma {

template <class Config, class Element, bool kLandmarks>
void launch(const ForwardArgs& args, cudaStream_t stream) {
  const auto kernel = forward_kernel<Config, Element, kLandmarks>;
  HALFTONE_CUDA_CHECK(
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, Config::kSharedBytes));
  kernel<<<args.rows, Config::kThreads, Config::kSharedBytes, stream>>>(args);
  HALFTONE_CUDA_CHECK(cudaGetLastError());
}

template <class Config>
void launch_tile(const ForwardArgs& args, cudaStream_t stream) {
  const bool landmarks = args.params.landmarks.key != nullptr;
  if (args.params.dtype == DType::bfloat16)
    landmarks ? launch<Config, bfloat16, true>(args, stream) : launch<Config, bfloat16, false>(args, stream);
  else
    landmarks ? launch<Config, float16, true>(args, stream) : launch<Config, float16, false>(args, stream);
}

template <int kHeadDim>
void launch_any(const ForwardArgs& args, cudaStream_t stream) {
  if (args.block_m == 128)
    launch_tile<ForwardConfig<kHeadDim, 128>>(args, stream);
  else
    launch_tile<ForwardConfig<kHeadDim, 64>>(args, stream);
}

}  // namespace halftone::cuda::wmma
