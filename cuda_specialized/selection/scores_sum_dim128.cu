#include "halftone/cuda_specialized/selection/scores_kernel.cuh"

namespace halftone::cuda::selection {

template void launch_scores_of<128, true>(const Plan& plan, cudaStream_t stream);

}  // namespace halftone::cuda::selection
