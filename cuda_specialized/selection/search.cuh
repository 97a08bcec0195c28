// The search for the tolerance: digit by digit of the priorities' bits, in which of a histogram's bins it lies.
#pragma once

#include "halftone/cuda_specialized/common/block_scan.cuh"
#include "halftone/cuda_specialized/selection/plan.hpp"

namespace halftone::cuda::selection {

/// The state after a digit of kBins values, from its histogram (counts kStride apart) and the state before: the bin
/// into which the state's rank falls, counted from the largest digit, and the rank inside it. By a thread block of
/// kThreads; all threads get the result.
template <int kBins, int kStride, int kThreads>
__device__ inline SearchState find_digit(const std::uint32_t* bins, const SearchState& before) {
  constexpr int kEach = kBins / kThreads;
  static_assert(kEach * kThreads == kBins);
  __shared__ SearchState found;
  const int highest = kBins - 1 - static_cast<int>(threadIdx.x) * kEach;  // of this thread, from the largest down
  std::uint32_t count[kEach];
  if constexpr (kEach == 4 && kStride == 1) {
    const uint4 four = __ldcg(reinterpret_cast<const uint4*>(bins + highest - 3));
    count[0] = four.w, count[1] = four.z, count[2] = four.y, count[3] = four.x;
  } else {
#pragma unroll
    for (int i = 0; i < kEach; ++i) count[i] = __ldcg(bins + (highest - i) * kStride);
  }
  std::uint32_t mine = 0;
#pragma unroll
  for (int i = 0; i < kEach; ++i) mine += count[i];
  std::uint32_t total, above = exclusive_scan<kThreads>(mine, total);
  if (threadIdx.x == 0 && (before.all || before.rank >= total)) found = {0, 0, 1};
  if (!before.all && before.rank < total && before.rank >= above && before.rank < above + mine) {
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      if (before.rank >= above && before.rank < above + count[i])
        found = {before.rank - above, before.prefix * kBins + static_cast<std::uint32_t>(highest - i), 0};
      above += count[i];
    }
  }
  __syncthreads();
  const SearchState result = found;
  __syncthreads();  // before the next search writes it
  return result;
}

}  // namespace halftone::cuda::selection
