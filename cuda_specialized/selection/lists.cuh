// Priorities and the tolerance become block lists. A member takes neighbouring rows: it counts what they keep, tells
// the others, adds up what those before it told, and writes its lists.
#pragma once

#include "halftone/cuda_specialized/common/block_scan.cuh"
#include "halftone/cuda_specialized/selection/member_rows.cuh"
#include "halftone/cuda_specialized/selection/team.cuh"

namespace halftone::cuda::selection {

/// Marks a member's count as told.
constexpr std::uint64_t kTold = std::uint64_t{1} << 63;

/// The words of kept blocks of one row, by a warp; returns the number of blocks. Turns priorities into the landmarks'
/// biases.
__device__ inline int decide_row(const Plan& plan, int row, int visible, float tolerance) {
  const int lane = static_cast<int>(threadIdx.x) % 32, head = row / plan.tiles % plan.geometry.heads;
  const bool landmarks = plan.options.landmarks, gated = landmarks && (!plan.options.gate || plan.options.gate[head]);
  const int past = gated ? MemberRows::tile_range(plan, row).past : 0;
  const float log_block = logf(static_cast<float>(plan.options.block_k));
  float* priorities = plan.priorities + std::int64_t{row} * plan.blocks;
  std::uint32_t* words = plan.kept + std::int64_t{row} * plan.words();
  const int count = (visible + 31) / 32;
  std::uint32_t mine = 0;  // a lane holds one of 32 words
  int kept = 0;
  for_priorities(priorities, visible, landmarks ? plan.blocks : visible, [&](int block, float priority) {
    const bool keeps = priority > tolerance;
    const std::uint32_t word = __ballot_sync(0xffffffffu, keeps);
    const int at = block / 32;
    kept += __popc(word);
    if (at < count && at % 32 == lane) mine = word;
    if (at < count && (at % 32 == 31 || at == count - 1) && at / 32 * 32 + lane <= at)
      words[at / 32 * 32 + lane] = mine;
    if (landmarks && block < plan.blocks) priorities[block] = block < past && !keeps ? log_block : -INFINITY;
  });
  return kept;
}

/// The list of one row from its words, by a warp.
__device__ inline void write_row(const Plan& plan, int row, int visible) {
  const int lane = static_cast<int>(threadIdx.x) % 32, tile = row % plan.tiles;
  const int b = row / plan.tiles / plan.geometry.heads, count = (visible + 31) / 32;
  const std::uint32_t* words = plan.kept + std::int64_t{row} * plan.words();
  std::int64_t entry = plan.row_ptr[row];
  for (int first = 0; first < count; first += 32) {
    const std::uint32_t mine = first + lane < count ? words[first + lane] : 0;
    for (int i = 0; i < min(32, count - first); ++i) {
      const std::uint32_t word = __shfl_sync(0xffffffffu, mine, i);
      if (word >> lane & 1u) {
        const std::int64_t at = entry + __popc(word & ((1u << lane) - 1u));
        const int block = (first + i) * 32 + lane;
        plan.col_idx[at] = block;
        plan.kind[at] = plan.geometry.edge_kind(b, tile, block);
      }
      entry += __popc(word);
    }
  }
}

/// Tells the other members how many blocks this one keeps; returns how many those before it do.
__device__ inline std::uint64_t kept_before(const Plan& plan, const Team& team, std::uint64_t own) {
  if (threadIdx.x == 0) tell(plan.told + team.member, kTold | own);
  std::uint64_t mine = 0;
  for (int other = static_cast<int>(threadIdx.x); other < team.member; other += kTeamThreads) {
    std::uint64_t value;
    do value = hear(plan.told + other);
    while (value == 0);
    mine += value & ~kTold;
  }
  std::uint64_t before;
  exclusive_scan<kTeamThreads>(mine, before);
  return before;
}

/// By all threads of a member. Lengths of rows lie in row_ptr until they become its entries.
__device__ inline void write_lists(const Plan& plan, const Team& team, float tolerance) {
  __shared__ unsigned long long kept;
  const auto share = [&](int member) { return static_cast<int>(std::int64_t{member} * plan.rows / team.size); };
  const int thread = static_cast<int>(threadIdx.x), first = share(team.member), end = share(team.member + 1);
  const MemberRows rows{first + thread / 32, end, kTeamWarps};
  if (thread == 0) kept = 0;
  team_sync();
  rows.visit(plan, [&](int row, int visible) {
    const int length = decide_row(plan, row, visible, tolerance);
    if (thread % 32 > 0) return;
    plan.row_ptr[row] = length;
    atomicAdd(&kept, static_cast<unsigned long long>(length));
  });
  team_sync();
  const std::uint64_t own = kept;
  std::uint64_t entry = kept_before(plan, team, own);
  const std::uint64_t all = entry + own;
  for (int begin = first; begin < end; begin += kTeamThreads) {
    const int row = begin + thread;
    std::uint64_t total;
    const std::uint64_t length = row < end ? static_cast<std::uint64_t>(plan.row_ptr[row]) : 0;
    const std::uint64_t earlier = exclusive_scan<kTeamThreads>(length, total);
    if (row < end) plan.row_ptr[row] = static_cast<std::int64_t>(entry + earlier);
    entry += total;
  }
  if (thread == 0 && team.member == team.size - 1) {
    plan.row_ptr[plan.rows] = static_cast<std::int64_t>(all);
    plan.control->outcome.kept = static_cast<std::int64_t>(all);
    plan.control->outcome.tolerance = tolerance;
  }
  team_sync();
  rows.visit(plan, [&](int row, int visible) { write_row(plan, row, visible); });
}

}  // namespace halftone::cuda::selection
