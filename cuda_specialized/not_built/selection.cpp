// Stands in for selection/ in builds without it: a refusal by name.
#include "halftone/core/error.hpp"
#include "halftone/cuda_specialized/selection/selection.hpp"

namespace halftone::cuda::selection {

std::string refusal(const AttentionParams&, const SelectionOptions&) {
  return "not built; configure with HALFTONE_ENABLE_CUDA=ON and sm90 in HALFTONE_CUDA_PATHS";
}

void validate(const AttentionParams&, const SelectionOptions&) {}

std::size_t workspace_bytes(const AttentionParams&, const SelectionOptions&) { return 0; }

Selection results(const AttentionParams&, const SelectionOptions&, void*) { return {}; }

Selection select(const AttentionParams& params, const SelectionOptions& options, void*, void*) {
  throw Unsupported("selection: " + refusal(params, options));
}

SelectionOutcome fetch_outcome(const Selection&, void*) { throw Unsupported("selection: not built"); }

}  // namespace halftone::cuda::selection
