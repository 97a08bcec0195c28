// The search for the tolerance: digit by digit of the priorities' bits, in which of a histogram's bins it lies.
#pragma once

#include "halftone/cuda_specialized/common/block_scan.cuh"
#include "halftone/cuda_specialized/selection/plan.hpp"

namespace halftone::cuda::selection {

/// A histogram of a digit of kBins values (counts kStride apart), on its way to a thread block of kThreads.
template <int kBins, int kStride, int kThreads>
class DigitCounts {
  static constexpr int kEach = kBins / kThreads;
  static_assert(kEach * kThreads == kBins);

 public:
  __device__ explicit DigitCounts(const std::uint32_t* bins) {
    if constexpr (kEach == 4 && kStride == 1) {
      const uint4 four = __ldcg(reinterpret_cast<const uint4*>(bins + highest() - 3));
      count_[0] = four.w, count_[1] = four.z, count_[2] = four.y, count_[3] = four.x;
    } else {
#pragma unroll
      for (int i = 0; i < kEach; ++i) count_[i] = __ldcg(bins + (highest() - i) * kStride);
    }
  }

  /// The state after the digit, from the one before: the bin into which the state's rank falls, counted from the
  /// largest digit, and the rank inside it. All threads get it.
  __device__ SearchState find(const SearchState& before) const {
    __shared__ SearchState found;
    std::uint32_t mine = 0;
#pragma unroll
    for (int i = 0; i < kEach; ++i) mine += count_[i];
    std::uint32_t total, above = exclusive_scan<kThreads>(mine, total);
    if (threadIdx.x == 0 && (before.all || before.rank >= total)) found = {0, 0, 1};
    if (!before.all && before.rank < total && before.rank >= above && before.rank < above + mine) {
#pragma unroll
      for (int i = 0; i < kEach; ++i) {
        if (before.rank >= above && before.rank < above + count_[i])
          found = {before.rank - above, before.prefix * kBins + static_cast<std::uint32_t>(highest() - i), 0};
        above += count_[i];
      }
    }
    __syncthreads();
    const SearchState result = found;
    __syncthreads();  // before the next search writes it
    return result;
  }

 private:
  /// Of this thread's digits, from the largest down.
  __device__ static int highest() { return kBins - 1 - static_cast<int>(threadIdx.x) * kEach; }

  std::uint32_t count_[kEach];
};

}  // namespace halftone::cuda::selection
