// What the first digit of the tolerance (the scores' kernel counted it) decides: which blocks are kept in any case, and
// which are open, since they share that digit; and the count of the second digit of these. Exact and the same every
// time: counts do not depend on the order of additions.
#include "halftone/cuda_specialized/common/barrier.cuh"
#include "halftone/cuda_specialized/common/request.hpp"
#include "halftone/cuda_specialized/selection/launch.cuh"
#include "halftone/cuda_specialized/selection/search.cuh"

namespace halftone::cuda::selection {
namespace {

constexpr int kThreads = 1024, kWarps = kThreads / 32;
constexpr int kWords = 8;  // of marks, that a warp makes at a time

/// Priorities above `high` are kept, those from `low` to `high` are open.
struct Bounds {
  float low, high;
};

__device__ inline Bounds bounds_after(const SearchState& state) {
  if (state.all) return {INFINITY, -1.0f};
  const std::uint32_t lowest = state.prefix << kSecondBits;
  return {__uint_as_float(lowest), __uint_as_float(lowest + (kSecondBins - 1))};
}

/// 32 kWords neighbouring blocks of a row, from word `first` on, by a warp.
struct Stretch {
  int row, first = 0;
  const float* from = nullptr;  ///< this lane's first priority

  int visible = 0;
  float priority[kWords] = {};

  __device__ Stretch(const Plan& plan, int row_) : row(row_) {
    if (row >= plan.rows) return;
    const auto [sequence, tile] = plan.mask_row(row);
    visible = sequence.visible(tile);
    from = plan.priorities + std::int64_t{row} * plan.blocks + threadIdx.x % 32;
  }
  /// Starts reading; past the row's end the next one's, which are not looked at.
  __device__ void load(const Plan& plan) {
    const int left = plan.blocks - first * 32;
#pragma unroll
    for (int i = 0; i < kWords; ++i)
      if (i * 32 < left) priority[i] = __ldcg(from + i * 32);
  }
  __device__ void advance(const Plan& plan, int stride) {
    first += kWords;
    from += kWords * 32;
    if (first * 32 >= visible) *this = Stretch(plan, row + stride);
    if (row < plan.rows) load(plan);
  }

  __device__ void mark(const Plan& plan, const Bounds& bounds) const {
    const int lane = static_cast<int>(threadIdx.x % 32);
    Marks mine{};  // a lane holds those of one word
#pragma unroll
    for (int i = 0; i < kWords; ++i) {
      if ((first + i) * 32 >= visible) break;
      const bool seen = (first + i) * 32 + lane < visible;
      const bool kept = seen && priority[i] > bounds.high, open = seen && !kept && priority[i] >= bounds.low;
      const Marks word{__ballot_sync(0xffffffffu, kept), __ballot_sync(0xffffffffu, open)};
      if (lane == i) mine = word;
      if (open) {
        const std::uint32_t digit = __float_as_uint(priority[i]) % kSecondBins;
        atomicAdd(plan.second_bins + digit, 1u);
        atomicAdd(plan.group_bins + digit / kGroupBins * kGroupStride, 1u);
      }
    }
    if (lane < kWords && (first + lane) * 32 < visible)
      plan.marks[std::int64_t{row} * plan.words() + first + lane] = mine;
  }
};

/// In few registers, so that thread blocks of the next kernel fit beside it.
__global__ void __maxnreg__(40) threshold_kernel(const __grid_constant__ Plan plan) {
  // Neighbouring rows to different thread blocks: few rows keep all multiprocessors busy.
  const int blocks = static_cast<int>(gridDim.x), warp = static_cast<int>(threadIdx.x / 32);
  Stretch next(plan, warp * blocks + static_cast<int>(blockIdx.x));
  wait_for_previous_kernel();
  launch_dependents();  // not before: the next kernel begins with a counter that the first one zeroes
  const DigitCounts<kFirstBins, 1, kThreads> counts(plan.first_bins);
  const SearchState before = plan.control->search[0];
  if (next.row < plan.rows) next.load(plan);
  Bounds bounds{INFINITY, static_cast<float>(plan.options.tolerance)};
  if (plan.has_budget()) {
    const SearchState state = counts.find(before);
    if (blockIdx.x == 0 && threadIdx.x == 0) plan.control->search[1] = state;
    bounds = bounds_after(state);
  }
#pragma unroll 1
  while (next.row < plan.rows) {
    const Stretch stretch = next;
    next.advance(plan, blocks * kWarps);
    stretch.mark(plan, bounds);
  }
}

}  // namespace

void launch_threshold(const Plan& plan, cudaStream_t stream) {
  const int blocks = min(plan.rows, device_attribute(cudaDevAttrMultiProcessorCount));
  launch_after(threshold_kernel, plan, blocks, kThreads, 0, stream);
}

}  // namespace halftone::cuda::selection
