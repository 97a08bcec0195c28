// Counts the second digit of the priorities that share the tolerance's first one (the scores' kernel counted that).
// Exact and the same every time: counts do not depend on the order of additions.
#include "halftone/cuda_specialized/common/barrier.cuh"
#include "halftone/cuda_specialized/common/request.hpp"
#include "halftone/cuda_specialized/selection/launch.cuh"
#include "halftone/cuda_specialized/selection/search.cuh"

namespace halftone::cuda::selection {
namespace {

constexpr int kThreads = 512;
constexpr int kInFlight = 8;

__global__ void __launch_bounds__(kThreads) threshold_kernel(const __grid_constant__ Plan plan) {
  __shared__ std::uint32_t groups[kGroups];
  launch_dependents();
  for (int i = static_cast<int>(threadIdx.x); i < kGroups; i += kThreads) groups[i] = 0;
  wait_for_previous_kernel();
  const SearchState state = find_digit<kFirstBins, 1, kThreads>(plan.first_bins, plan.control->search[0]);
  if (blockIdx.x == 0 && threadIdx.x == 0) plan.control->search[1] = state;
  if (state.all) return;

  const int lane = static_cast<int>(threadIdx.x) % 32, warps = static_cast<int>(gridDim.x) * (kThreads / 32);
  for (int row = static_cast<int>(blockIdx.x) * (kThreads / 32) + static_cast<int>(threadIdx.x) / 32; row < plan.rows;
       row += warps) {
    const int sequence = row / plan.tiles / plan.geometry.heads;
    const int visible = plan.ranges[sequence * plan.tiles + row % plan.tiles].visible;
    const float* priorities = plan.priorities + std::int64_t{row} * plan.blocks;
    for (int begin = lane; begin < visible; begin += 32 * kInFlight) {
      float priority[kInFlight];
#pragma unroll
      for (int i = 0; i < kInFlight; ++i)
        priority[i] = begin + 32 * i < visible ? __ldcg(priorities + begin + 32 * i) : INFINITY;
#pragma unroll
      for (int i = 0; i < kInFlight; ++i) {
        const std::uint32_t bits = __float_as_uint(priority[i]);
        if (!(priority[i] < INFINITY) || bits >> kSecondBits != state.prefix) continue;
        const std::uint32_t digit = bits % kSecondBins;
        atomicAdd(plan.second_bins + digit, 1u);
        atomicAdd(&groups[digit / kGroupBins], 1u);
      }
    }
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < kGroups; i += kThreads)
    if (groups[i]) atomicAdd(plan.group_bins + i * kGroupStride, groups[i]);
}

}  // namespace

void launch_threshold(const Plan& plan, cudaStream_t stream) {
  const int needed = (plan.rows + kThreads / 32 - 1) / (kThreads / 32);
  const int blocks = min(needed, 2 * device_attribute(cudaDevAttrMultiProcessorCount));
  launch_after(threshold_kernel, plan, blocks, kThreads, 0, stream);
}

}  // namespace halftone::cuda::selection
