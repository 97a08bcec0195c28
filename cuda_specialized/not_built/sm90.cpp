// Stands in for sm90/ in builds without it: a refusal by name.
#include "halftone/core/error.hpp"
#include "halftone/cuda_specialized/sm90/forward.hpp"

namespace halftone::cuda::sm90 {

std::string refusal(const AttentionParams&) {
  return "not built; configure with HALFTONE_ENABLE_CUDA=ON and sm90 in HALFTONE_CUDA_PATHS";
}

std::size_t workspace_bytes(const AttentionParams&) { return 0; }

void forward(const AttentionParams& params, void*, void*) { throw Unsupported("sm90: " + refusal(params)); }

}  // namespace halftone::cuda::sm90
