// Stands in for common/staging.cpp in builds without CUDA.
#include "halftone/core/error.hpp"
#include "halftone/cuda_specialized/common/staging.hpp"

namespace halftone::cuda {

void run_staged(const AttentionParams&, std::size_t (*)(const AttentionParams&),
                void (*)(const AttentionParams&, void*, void*)) {
  throw Unsupported("this build has no CUDA; configure with HALFTONE_ENABLE_CUDA=ON");
}

}  // namespace halftone::cuda
