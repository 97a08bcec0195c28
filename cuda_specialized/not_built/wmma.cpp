// Stands in for wmma/ in builds without it: a refusal by name.
#include "halftone/core/error.hpp"
#include "halftone/cuda_specialized/wmma/forward.hpp"

namespace halftone::cuda::wmma {

std::string refusal(const AttentionParams&) {
  return "not built; configure with HALFTONE_ENABLE_CUDA=ON and wmma in HALFTONE_CUDA_PATHS";
}

std::size_t workspace_bytes(const AttentionParams&) { return 0; }

void forward(const AttentionParams& params, void*, void*) { throw Unsupported("wmma: " + refusal(params)); }

}  // namespace halftone::cuda::wmma
