// How a warp of a member reads its rows of priorities: with the next row's range, and many of a row's priorities, on
// their way.
#pragma once

#include "halftone/cuda_specialized/selection/plan.hpp"

namespace halftone::cuda::selection {

/// Rows first, first + step, ... before `end`.
struct MemberRows {
  std::int32_t first, end, step;

  /// Calls visit(row, number of visible blocks).
  template <class Visit>
  __device__ void visit(const Plan& plan, const Visit& visit) const {
    const auto visible_of = [&](int row) { return row < end ? tile_range(plan, row).visible : 0; };
    int next = visible_of(first);
    for (int row = first; row < end; row += step) {
      const int visible = next;
      next = visible_of(row + step);
      visit(row, visible);
    }
  }

  __device__ static const TileRange& tile_range(const Plan& plan, int row) {
    const auto at = static_cast<unsigned>(row), tiles = static_cast<unsigned>(plan.tiles);
    const unsigned b = at / tiles / static_cast<unsigned>(plan.geometry.heads);
    return plan.ranges[b * tiles + at % tiles];
  }
};

/// Calls visit(block, priority), by a warp and all its lanes at once, for blocks up to the next multiple of 32 of
/// `end`; blocks from `visible` on have priority -inf.
template <class Visit>
__device__ inline void for_priorities(const float* priorities, int visible, int end, const Visit& visit) {
  constexpr int kInFlight = 16;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (int begin = 0; begin < end; begin += 32 * kInFlight) {
    float priority[kInFlight];
#pragma unroll
    for (int i = 0; i < kInFlight; ++i) {
      const int block = begin + 32 * i + lane;
      priority[i] = block < visible ? __ldcg(priorities + block) : -INFINITY;
    }
#pragma unroll
    for (int i = 0; i < kInFlight; ++i) {
      if (begin + 32 * i >= end) break;
      visit(begin + 32 * i + lane, priority[i]);
    }
  }
}

}  // namespace halftone::cuda::selection
