// Sums over a thread block.
#pragma once

#include <cstdint>

namespace halftone::cuda {

/// Sum of `value` over the threads before this one, of kThreads; `total`: over all.
template <int kThreads>
__device__ inline std::uint64_t exclusive_scan(std::uint64_t value, std::uint64_t& total) {
  static_assert(kThreads % 32 == 0 && kThreads <= 1024);
  __shared__ std::uint64_t of_warp[kThreads / 32];
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  std::uint64_t sum = value;
#pragma unroll
  for (int step = 1; step < 32; step *= 2) {
    const std::uint64_t other = __shfl_up_sync(0xffffffffu, sum, step);
    if (lane >= step) sum += other;
  }
  __syncthreads();  // of_warp may still be read from the last call
  if (lane == 31) of_warp[warp] = sum;
  __syncthreads();
  std::uint64_t before = 0;
  total = 0;
  for (int w = 0; w < kThreads / 32; ++w) {
    if (w < warp) before += of_warp[w];
    total += of_warp[w];
  }
  return before + sum - value;
}

}  // namespace halftone::cuda
