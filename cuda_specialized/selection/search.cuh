// The search for the tolerance: digit by digit of the priorities' bits, in which of a histogram's bins it lies.
#pragma once

#include "halftone/cuda_specialized/selection/team.cuh"

namespace halftone::cuda::selection {

/// The search between two digits.
struct SearchState {
  std::uint64_t rank;    ///< priorities that may exceed the tolerance, of those that share the prefix
  std::uint32_t prefix;  ///< digits found so far
  bool all;              ///< there are no more than may be kept: every block is
};

/// The state after a digit of kBins values, from its histogram (counts kStride apart) and the state before: the bin
/// into which the state's rank falls, counted from the largest digit, and the rank inside it. By a member's threads,
/// each of whom gets the result: a warp holds neighbouring bins, and the one whose bins the rank meets looks further.
template <int kBins, int kStride>
__device__ inline SearchState find_digit(const std::uint32_t* bins, const SearchState& before) {
  constexpr int kWide = kStride == 1 ? 4 : 1, kLoads = kBins / (kTeamThreads * kWide);
  static_assert(kLoads * kTeamThreads * kWide == kBins);
  __shared__ SearchState found;
  __shared__ std::uint64_t of_warp[kTeamWarps];
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const auto first_bin = [&](int load) { return ((warp * kLoads + load) * 32 + lane) * kWide; };
  std::uint32_t count[kLoads][kWide];
#pragma unroll
  for (int load = 0; load < kLoads; ++load) {
    if constexpr (kWide == 4) {
      const uint4 four = __ldcg(reinterpret_cast<const uint4*>(bins + first_bin(load)));
      count[load][0] = four.x, count[load][1] = four.y, count[load][2] = four.z, count[load][3] = four.w;
    } else {
      count[load][0] = __ldcg(bins + first_bin(load) * kStride);
    }
  }
  const auto sum_of = [&](int load) {
    std::uint64_t sum = 0;
#pragma unroll
    for (int i = 0; i < kWide; ++i) sum += count[load][i];
    return sum;
  };
  std::uint64_t mine = 0;
#pragma unroll
  for (int load = 0; load < kLoads; ++load) mine += sum_of(load);
  for (int step = 16; step > 0; step /= 2) mine += __shfl_xor_sync(0xffffffffu, mine, step);
  if (lane == 0) of_warp[warp] = mine;
  team_sync();
  std::uint64_t above = 0, total = 0;  // above: of the warps with larger digits
#pragma unroll
  for (int w = 0; w < kTeamWarps; ++w) {
    total += of_warp[w];
    if (w > warp) above += of_warp[w];
  }
  const std::uint64_t rank = before.rank;
  if (threadIdx.x == 0 && rank >= total) found = {0, 0, true};
  if (rank >= above && rank < above + mine) {
#pragma unroll
    for (int load = kLoads - 1; load >= 0; --load) {
      const std::uint64_t own = sum_of(load);
      std::uint64_t from_here = own;  // of this lane and those with larger digits
#pragma unroll
      for (int step = 1; step < 32; step *= 2) {
        const std::uint64_t other = __shfl_down_sync(0xffffffffu, from_here, step);
        if (lane + step < 32) from_here += other;
      }
      std::uint64_t larger = above + from_here - own;
      if (rank >= larger && rank < larger + own) {
#pragma unroll
        for (int i = kWide - 1; i >= 0; --i) {
          if (rank >= larger && rank < larger + count[load][i])
            found = {rank - larger, before.prefix * kBins + static_cast<std::uint32_t>(first_bin(load) + i), false};
          larger += count[load][i];
        }
      }
      above += __shfl_sync(0xffffffffu, from_here, 0);
    }
  }
  team_sync();
  const SearchState result = found;
  team_sync();  // before the next search writes it
  return result;
}

}  // namespace halftone::cuda::selection
