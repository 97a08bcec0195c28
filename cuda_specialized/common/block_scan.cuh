// Sums over a thread block.
#pragma once

#include <cstdint>

namespace halftone::cuda {

/// Sum over the lanes up to this one.
template <class Count>
__device__ inline Count inclusive_warp_scan(Count value) {
#pragma unroll
  for (int step = 1; step < 32; step *= 2) {
    const Count other = __shfl_up_sync(0xffffffffu, value, step);
    if (threadIdx.x % 32 >= static_cast<unsigned>(step)) value += other;
  }
  return value;
}

/// Sum of `value`, an unsigned integer, over the threads before this one, of kThreads; `total`: over all.
template <int kThreads, class Count>
__device__ inline Count exclusive_scan(Count value, Count& total) {
  constexpr unsigned kWarps = kThreads / 32;
  static_assert(kThreads % 32 == 0 && kWarps <= 32);
  __shared__ Count of_warp[kWarps];
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const Count sum = inclusive_warp_scan(value);
  __syncthreads();  // of_warp may still be read from the last call
  if (lane == 31) of_warp[warp] = sum;
  __syncthreads();
  const Count own = lane < kWarps ? of_warp[lane] : 0, sums = inclusive_warp_scan(own);
  total = __shfl_sync(0xffffffffu, sums, 31);
  return __shfl_sync(0xffffffffu, sums - own, static_cast<int>(warp)) + sum - value;
}

}  // namespace halftone::cuda
