// Launches the kernel that fits a request's element type and features.
#pragma once

#include "halftone/cuda_specialized/common/check.hpp"
#include "halftone/cuda_specialized/sm90/forward_kernel.cuh"

namespace halftone::cuda::sm90 {

template <class Config, class Element, bool kLandmarks>
void launch(const ForwardArgs& args, cudaStream_t stream) {
  const auto kernel = forward_kernel<Config, Element, kLandmarks>;
  constexpr int kBytes = static_cast<int>(forward_shared_bytes<Config>());
  HALFTONE_CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes));
  cudaLaunchAttribute early{};  // start while the kernel that orders the rows still runs
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(args.workers));
  config.blockDim = dim3(Config::kThreads);
  config.dynamicSmemBytes = kBytes;
  config.stream = stream;
  config.attrs = &early;
  config.numAttrs = args.order ? 1 : 0;
  HALFTONE_CUDA_CHECK(cudaLaunchKernelEx(&config, kernel, args));
}

template <class Config>
void launch_any(const ForwardArgs& args, cudaStream_t stream) {
  const bool landmarks = args.params.landmarks.key != nullptr;
  if (args.params.dtype == DType::bfloat16)
    landmarks ? launch<Config, bfloat16, true>(args, stream) : launch<Config, bfloat16, false>(args, stream);
  else
    landmarks ? launch<Config, float16, true>(args, stream) : launch<Config, float16, false>(args, stream);
}

}  // namespace halftone::cuda::sm90
