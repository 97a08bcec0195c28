// The thread blocks that choose the blocks together, without a cooperative launch: a thread block waits only for work
// that another one has taken, and which therefore runs. Those that never start, or find nothing left to score, are not
// missed.
#pragma once

#include "halftone/cuda_specialized/common/barrier.cuh"
#include "halftone/cuda_specialized/selection/plan.hpp"

namespace halftone::cuda::selection {

/// Threads of a member that meet here: the consumers of the scores.
constexpr int kTeamThreads = 256, kTeamWarps = kTeamThreads / 32;

struct Team {
  std::int32_t member, size;  ///< members count 0, 1, ...; the order differs from call to call
};

__device__ inline void team_sync() { named_sync(0, kTeamThreads); }

/// Adds to a counter; whoever observes the sum sees what the caller's thread block wrote before its last team_sync().
__device__ inline std::uint64_t arrive(std::uint64_t* counter, std::uint64_t amount) {
  std::uint64_t before;
  asm volatile("atom.add.acq_rel.gpu.global.u64 %0, [%1], %2;"
               : "=l"(before)
               : "l"(__cvta_generic_to_global(counter)), "l"(amount)
               : "memory");
  return before;
}
__device__ inline std::uint64_t observe(const std::uint64_t* counter) {
  std::uint64_t value;
  asm volatile("ld.acquire.gpu.global.u64 %0, [%1];" : "=l"(value) : "l"(__cvta_generic_to_global(counter)) : "memory");
  return value;
}

/// The same for a value that says all there is to say.
__device__ inline void tell(std::uint64_t* to, std::uint64_t value) {
  asm volatile("st.relaxed.gpu.global.u64 [%0], %1;" ::"l"(__cvta_generic_to_global(to)), "l"(value) : "memory");
}
__device__ inline std::uint64_t hear(const std::uint64_t* from) {
  std::uint64_t value;
  asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(value) : "l"(__cvta_generic_to_global(from)) : "memory");
  return value;
}

/// Once all items are scored: the team of those that scored them. The counter holds members in its upper half, items in
/// its lower one; a thread block adds all of its `items` (at least one) at once, so that no member is missing when the
/// items are complete.
__device__ inline Team join_team(const Plan& plan, int items) {
  __shared__ Team team;
  team_sync();
  if (threadIdx.x == 0) {
    std::uint64_t* scored = &plan.control->scored.count;
    team.member =
        static_cast<std::int32_t>(arrive(scored, std::uint64_t{1} << 32 | static_cast<unsigned>(items)) >> 32);
    std::uint64_t state;
    do state = observe(scored);
    while (static_cast<std::uint32_t>(state) != static_cast<std::uint32_t>(plan.items));
    team.size = static_cast<std::int32_t>(state >> 32);
  }
  team_sync();
  return team;
}

/// Waits for all members to come here, once per counter.
__device__ inline void meet(const Team& team, Counter& counter) {
  team_sync();
  if (threadIdx.x == 0) {
    arrive(&counter.count, 1);
    while (observe(&counter.count) != static_cast<std::uint64_t>(team.size)) {
    }
  }
  team_sync();
}

}  // namespace halftone::cuda::selection
