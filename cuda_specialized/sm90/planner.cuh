// The planner warp of the Hopper forward kernel: hands out query tiles and turns their block lists into steps, far
// enough ahead that the producer never waits for a list to arrive from memory.
#pragma once

#include "halftone/cuda_specialized/sm90/forward_args.hpp"
#include "halftone/cuda_specialized/sm90/forward_shared.cuh"

namespace halftone::cuda::sm90 {

template <class Config, bool kLandmarks>
class Planner {
  using Shared = SharedStorage<Config>;
  static constexpr int kHalves = Config::kHalves;

 public:
  __device__ Planner(const ForwardArgs& args, Shared& shared)
      : args_(args), p_(args.params), s_(shared), lane_(static_cast<int>(threadIdx.x) % 32) {}

  __device__ void run() {
    plan_row(natural_row(p_, args_.tiles, static_cast<std::int32_t>(blockIdx.x)));
    wait_for_previous_kernel();  // which puts the other rows in order
    for (std::int32_t next; args_.workers + (next = take_row()) < args_.rows;)
      plan_row(args_.order ? args_.order[next] : natural_row(p_, args_.tiles, args_.workers + next));
    publish(Work{});
    plan(Step{}, PlannedStep::kEnd, false);
  }

 private:
  /// Counts the rows beyond the first of each CTA. Taken late: a row taken early waits here for the rows before it while
  /// others have nothing left to do.
  __device__ std::int32_t take_row() const {
    return __shfl_sync(0xffffffffu, lane_ == 0 ? atomicAdd(args_.next_row, 1) : 0, 0);
  }

  __device__ void publish(const Work& work) {
    s_.work_empty[work_.index].wait(work_.phase ^ 1u);
    if (lane_ == 0) {
      s_.work[work_.index] = work;
      s_.work_full[work_.index].arrive();
    }
    __syncwarp();
  }

  __device__ void plan(const Step& step, PlannedStep::Kind kind, bool first_of_row) {
    s_.plan_empty[plan_.index].wait(plan_.phase ^ 1u);
    if (lane_ == 0) {
      s_.plan[plan_.index] = {step, kind, static_cast<std::int16_t>(work_.index), first_of_row};
      s_.plan_full[plan_.index].arrive();
    }
    __syncwarp();
    plan_.advance();
  }

  __device__ void plan_row(std::int32_t row) {
    const RowPlace at = row_place(p_, args_.tiles, Config::kBlockM, row);
    const std::int32_t rest = at.len_q - at.first_query;
    if (rest <= 0) return;
    const KeyBlockList blocks = key_blocks(p_, at, Config::kBlockM);
    const std::int32_t key_steps = (blocks.count + kHalves - 1) / kHalves;
    LandmarkSteps landmarks{};
    if constexpr (kLandmarks) landmarks = landmark_steps(at);
    if (key_steps + landmarks.count == 0) return store_empty(at, min(rest, Config::kBlockM));
    publish({at, key_steps + landmarks.count, landmarks.bias});
    plan_keys(at, blocks);
    if constexpr (kLandmarks) {
      bool opens_row = key_steps == 0;
      for (std::int32_t step = 0; step < landmarks.all; ++step) {
        if (!landmarks.counts(step)) continue;
        plan_landmarks(step * Config::kBlockN, opens_row);
        opens_row = false;
      }
    }
    work_.advance();
  }

  /// The steps over landmarks that a row needs: those with a bias that is not -inf, of the first 64, and all beyond.
  struct LandmarkSteps {
    std::int32_t all, count, bias;
    std::uint64_t live;

    __device__ bool counts(std::int32_t step) const { return step >= 64 || live >> step & 1u; }
  };
  __device__ LandmarkSteps landmark_steps(const RowPlace& at) const {
    LandmarkSteps steps{(p_.landmarks.blocks + Config::kBlockN - 1) / Config::kBlockN, 0, landmark_row(p_, at), 0};
    const float* bias = landmark_bias(p_, steps.bias);
    for (std::int32_t step = 0; step < min(steps.all, 64); ++step) {
      bool any = false;
#pragma unroll
      for (int i = 0; i < Config::kBlockN; i += 32) {
        const std::int32_t landmark = step * Config::kBlockN + i + lane_;
        any |= landmark < p_.landmarks.blocks && !(__ldg(bias + landmark) == -INFINITY);  // NaN counts
      }
      if (__any_sync(0xffffffffu, any)) steps.live |= std::uint64_t{1} << step;
    }
    steps.count = __popcll(steps.live) + max(steps.all - 64, 0);
    return steps;
  }

  /// Rows without any block never reach the consumers: O = 0, and LSE is the sink's logit or -inf.
  __device__ void store_empty(const RowPlace& at, std::int32_t queries) {
    const std::int64_t first = row_offset(p_, p_.o_stride, at.b, at.head, at.begin_q) + at.first_query * p_.o_stride.seq;
    auto* o = static_cast<std::uint16_t*>(p_.o) + first;
    for (std::int32_t i = 0; i < queries; ++i)
      for (std::int32_t d = lane_; d < p_.dim; d += 32) o[i * p_.o_stride.seq + d] = 0;
    for (std::int32_t i = lane_; i < queries; i += 32) {
      const std::int64_t index = lse_index(p_, at.b, at.head, at.begin_q, at.first_query + i);
      if (p_.lse) p_.lse[index] = p_.sink ? p_.sink[at.head] : -INFINITY;
      if (p_.far_mass) p_.far_mass[index] = 0.0f;
    }
  }

  /// The row's 64-key blocks from the last to the first, kHalves per step; the step of an odd one out comes first,
  /// where the diagonal takes the masked path anyway. These masked steps change places with the next one: a row then
  /// starts with a step that needs no rules, so that not everything is late at once.
  __device__ void plan_keys(const RowPlace& at, const KeyBlockList& blocks) {
    const std::int32_t steps = (blocks.count + kHalves - 1) / kHalves, opening = min(steps - 1, 2);
    std::int32_t chunk = 0;  // blocks that come before the 32 that the lanes have looked up
    KeyBlock block = look_up(at, blocks, lane_);
    for (std::int32_t i = 0; i < steps; ++i) {
      const std::int32_t step = i == 0 ? opening : i <= opening ? i - 1 : i;
      const bool whole = step > 0 || blocks.count % kHalves == 0;
      // Blocks of the step, counted from the last: those before it, and how many.
      const std::int32_t before = step * kHalves - (blocks.count % kHalves != 0 && step > 0),
                         width = whole ? kHalves : 1;
      if (before + width > chunk + 32) {
        chunk = before;
        block = look_up(at, blocks, chunk + lane_);
      }
      Step planned{};
#pragma unroll
      for (int half = 0; half < kHalves; ++half) {  // ascending keys
        // The other half of an incomplete step loads the same block, and nothing of it counts.
        const std::int32_t from = before + width - 1 - min(half, width - 1) - chunk;
        planned.half[half] = {__shfl_sync(0xffffffffu, block.first, from), __shfl_sync(0xffffffffu, block.flags, from),
                              __shfl_sync(0xffffffffu, block.bits, from)};
        if (half >= width) planned.half[half] = {planned.half[half].first, kStepAbsent, 0};
      }
      plan(planned, PlannedStep::kKeys, i == 0);
    }
  }
  /// The index-th block from the last.
  __device__ KeyBlock look_up(const RowPlace& at, const KeyBlockList& blocks, std::int32_t index) const {
    return index < blocks.count ? key_block(p_, at, blocks, blocks.count - 1 - index) : KeyBlock{};
  }

  __device__ void plan_landmarks(std::int32_t first, bool first_of_row) {
    Step step{};
#pragma unroll
    for (int half = 0; half < kHalves; ++half) step.half[half] = {first + 64 * half, kStepLandmark, 0};
    plan(step, PlannedStep::kLandmarks, first_of_row);
  }

  const ForwardArgs& args_;
  const AttentionParams& p_;
  Shared& s_;
  int lane_;
  RingPlace<Config::kPlanned> plan_;
  RingPlace<Config::kWorks> work_;
};

}  // namespace halftone::cuda::sm90
