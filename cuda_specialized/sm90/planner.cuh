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
    wait_for_previous_kernel();  // which sorted the rows; everyone else waits for this warp
    for (std::int32_t next = static_cast<std::int32_t>(blockIdx.x); next < args_.rows;) {
      std::int32_t following = 0;
      if (lane_ == 0) following = atomicAdd(args_.next_row, 1) + static_cast<std::int32_t>(gridDim.x);
      plan_row(row_of(next));
      next = __shfl_sync(0xffffffffu, following, 0);
    }
    publish(Work{});
    begin_step();
    end_step(PlannedStep::kEnd, false);
  }

 private:
  /// Longest rows first: the given order, or (without a mask) the last query tiles first where rows grow with the tile,
  /// otherwise head by head so that its keys stay in the cache.
  __device__ std::int32_t row_of(std::int32_t next) const {
    if (args_.order) return args_.order[next];
    if (!p_.causal) return next;
    const std::int32_t heads = p_.batch * p_.heads_q;
    return next % heads * args_.tiles + (args_.tiles - 1 - next / heads);
  }

  __device__ void publish(const Work& work) {
    s_.work_empty[work_.index].wait(work_.phase ^ 1u);
    if (lane_ == 0) {
      s_.work[work_.index] = work;
      s_.work_full[work_.index].arrive();
    }
    __syncwarp();
  }

  /// Between the two, lanes write the step itself.
  __device__ Step& begin_step() {
    s_.plan_empty[plan_.index].wait(plan_.phase ^ 1u);
    return s_.plan[plan_.index].step;
  }
  __device__ void end_step(PlannedStep::Kind kind, bool first_of_row) {
    __syncwarp();
    if (lane_ == 0) {
      PlannedStep& planned = s_.plan[plan_.index];
      planned.kind = kind;
      planned.work = static_cast<std::int16_t>(work_.index);
      planned.first_of_row = first_of_row;
      s_.plan_full[plan_.index].arrive();
    }
    __syncwarp();
    plan_.advance();
  }

  __device__ void plan_row(std::int32_t row) {
    Work at;
    at.tile = row % args_.tiles;
    at.head = row / args_.tiles % p_.heads_q;
    at.head_kv = at.head / (p_.heads_q / p_.heads_kv);
    at.b = row / args_.tiles / p_.heads_q;
    at.first_query = at.tile * Config::kBlockM;
    const SequenceExtent extent = sequence_extent(p_, at.b);
    at.begin_q = static_cast<std::int32_t>(extent.begin_q);
    at.begin_k = static_cast<std::int32_t>(extent.begin_k);
    at.len_q = static_cast<std::int32_t>(extent.len_q);
    at.len_k = static_cast<std::int32_t>(extent.len_k);
    const std::int32_t rest = at.len_q - at.first_query;
    if (rest <= 0) return;

    std::int64_t entry = 0;
    std::int32_t count;  // 64-key blocks
    if (p_.mask.row_ptr) {
      const std::int64_t mask_row = p_.mask.row(at.b, at.head, p_.heads_q, at.tile);
      entry = p_.mask.row_ptr[mask_row];
      count = static_cast<std::int32_t>(p_.mask.row_ptr[mask_row + 1] - entry) * (p_.mask.block_k / 64);
    } else {
      const std::int32_t end = at.first_query + min(rest, Config::kBlockM) + at.len_k - at.len_q;
      count = (max(p_.causal ? min(end, at.len_k) : at.len_k, 0) + 63) / 64;
    }
    const std::int32_t key_steps = (count + kHalves - 1) / kHalves;
    std::int32_t landmark_steps = 0;
    if constexpr (kLandmarks) landmark_steps = (p_.landmarks.blocks + Config::kBlockN - 1) / Config::kBlockN;
    at.steps = key_steps + landmark_steps;
    if (at.steps == 0) return store_empty(at, min(rest, Config::kBlockM));
    publish(at);
    plan_keys(at, entry, count);
    if constexpr (kLandmarks)
      for (std::int32_t step = 0; step < landmark_steps; ++step)
        plan_landmarks(step * Config::kBlockN, key_steps + step == 0);
    work_.advance();
  }

  /// Rows without any block never reach the consumers: O = 0, and LSE is the sink's logit or -inf.
  __device__ void store_empty(const Work& at, std::int32_t queries) {
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

  /// The row's 64-key blocks from the last to the first, kHalves per step; an incomplete step comes first, where the
  /// diagonal takes the masked path anyway.
  __device__ void plan_keys(const Work& at, std::int64_t entry, std::int32_t count) {
    const std::int32_t parts = p_.mask.row_ptr ? p_.mask.block_k / 64 : 1;
    std::int32_t chunk_end = count, chunk_begin = count, block = 0, flags = 0, bits = 0;
    for (std::int32_t end = count; end > 0;) {
      const std::int32_t width = end % kHalves ? end % kHalves : kHalves;
      if (end - width < chunk_begin) {  // each lane looks up one of the next 32 blocks
        chunk_end = end;
        chunk_begin = end > 32 ? end - 32 : 0;
        const std::int32_t mine = chunk_end - 1 - lane_;
        if (mine >= chunk_begin) look_up(at, entry, mine, parts, block, flags, bits);
      }
      Step& step = begin_step();
      const std::int32_t half = end - 1 - (chunk_end - 1 - lane_);
      if (half >= 0 && half < width) {
        step.first[half] = block * 64;
        step.flags[half] = flags;
        step.bits[half] = bits;
        if (width < kHalves) {  // the other half loads the same block, and nothing of it counts
          step.first[1] = block * 64;
          step.flags[1] = kStepAbsent;
        }
      }
      end_step(PlannedStep::kKeys, end == count);
      end -= width;
    }
  }

  /// The index-th 64-key block of the row: which it is, and which rules decide inside it.
  __device__ void look_up(const Work& at, std::int64_t entry, std::int32_t index, std::int32_t parts,
                          std::int32_t& block, std::int32_t& flags, std::int32_t& bits) const {
    block = index;
    flags = 0;
    bits = 0;
    if (p_.mask.row_ptr) {
      const std::int64_t e = entry + index / parts;
      block = p_.mask.col_idx[e] * parts + index % parts;
      flags = p_.mask.kind[e] & ~kBlockRagged;
      if (flags & kBlockBits) bits = p_.mask.bits_index[e] * parts + index % parts;
    }
    const std::int32_t last_key = block * 64 + 63, diagonal = at.first_query + at.len_k - at.len_q;
    if (last_key >= at.len_k) flags |= kBlockRagged;
    if (p_.causal) flags = last_key > diagonal ? flags | kBlockCausal : flags & ~kBlockCausal;
  }

  __device__ void plan_landmarks(std::int32_t first, bool first_of_row) {
    Step& step = begin_step();
    if (lane_ < kHalves) {
      step.first[lane_] = first + 64 * lane_;
      step.flags[lane_] = kStepLandmark;
    }
    end_step(PlannedStep::kLandmarks, first_of_row);
  }

  const ForwardArgs& args_;
  const AttentionParams& p_;
  Shared& s_;
  int lane_;
  RingPlace<Config::kPlanned> plan_;
  RingPlace<Config::kWorks> work_;
};

}  // namespace halftone::cuda::sm90
