// The tolerance of a budget: the exact value of the largest priority that is left out, digit by digit. Counts do not
// depend on the order of additions, so the result is the same every time.
#pragma once

#include "halftone/cuda_specialized/selection/member_rows.cuh"
#include "halftone/cuda_specialized/selection/search.cuh"

namespace halftone::cuda::selection {

/// Adds a thread block's counts of the first digit to the team's; `bins` [kFirstBins] begin with kGroups zeros then. By
/// kTeamThreads.
__device__ inline void add_first_digits(const Plan& plan, std::uint32_t* bins) {
  for (int i = static_cast<int>(threadIdx.x); i < kFirstBins; i += kTeamThreads) {
    if (const std::uint32_t count = bins[i]) atomicAdd(plan.first_bins + i, count);
    if (i < kGroups) bins[i] = 0;
  }
}

/// Counts the second digit of the priorities that share the first, one by one and in groups; the latter in shared
/// memory first: `groups` [kGroups] zeros.
__device__ inline void count_second_digits(const Plan& plan, const Team& team, std::uint32_t prefix,
                                           std::uint32_t* groups) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const MemberRows rows{team.member * kTeamWarps + warp, plan.rows, team.size * kTeamWarps};  // long and short ones
  rows.visit(plan, [&](int row, int visible) {
    const float* priorities = plan.priorities + std::int64_t{row} * plan.blocks;
    for_priorities(priorities, visible, visible, [&](int, float priority) {
      const std::uint32_t bits = __float_as_uint(priority);
      if (!(priority < INFINITY) || bits >> kSecondBits != prefix) return;
      const std::uint32_t digit = bits % kSecondBins;
      atomicAdd(plan.second_bins + digit, 1u);
      atomicAdd(&groups[digit / kGroupBins], 1u);
    });
  });
  team_sync();
  for (int i = static_cast<int>(threadIdx.x); i < kGroups; i += kTeamThreads)
    if (groups[i]) atomicAdd(plan.group_bins + i * kGroupStride, groups[i]);
}

/// -1 where the density asks for every block.
__device__ inline float find_tolerance(const Plan& plan, const Team& team, std::uint32_t* groups) {
  SearchState state = find_digit<kFirstBins, 1>(plan.first_bins, {plan.control->rank, 0, false});
  if (state.all) return -1.0f;
  count_second_digits(plan, team, state.prefix, groups);
  meet(team, plan.control->counted);
  state = find_digit<kGroups, kGroupStride>(plan.group_bins, state);
  state = find_digit<kGroupBins, 1>(plan.second_bins + state.prefix % kGroups * kGroupBins, state);
  return __uint_as_float(state.prefix);
}

}  // namespace halftone::cuda::selection
