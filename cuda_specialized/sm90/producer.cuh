// The producer thread of the Hopper forward kernel: loads Q, K and V as the planner says.
#pragma once

#include "halftone/cuda_specialized/common/tma.cuh"
#include "halftone/cuda_specialized/sm90/forward_args.hpp"
#include "halftone/cuda_specialized/sm90/forward_shared.cuh"

namespace halftone::cuda::sm90 {

/// Run by one thread. K tiles are issued one step ahead of V tiles: consumers need them in that order.
template <class Config>
class Producer {
  using Shared = SharedStorage<Config>;

 public:
  __device__ Producer(const ForwardArgs& args, Shared& shared) : args_(args), s_(shared) {}

  __device__ void run() {
    RingPlace<Config::kPlanned> previous;
    for (bool any = false;; any = true) {
      s_.plan_full[plan_.index].wait(plan_.phase);
      const PlannedStep& now = s_.plan[plan_.index];
      const bool end = now.kind == PlannedStep::kEnd;
      if (!end) load_key(now);
      if (any) {
        load_value(s_.plan[previous.index]);
        s_.plan_empty[previous.index].arrive();
      }
      if (end) return;
      previous = plan_;
      plan_.advance();
    }
  }

 private:
  __device__ void load_key(const PlannedStep& now) {
    if (now.first_of_row) load_queries(now);
    s_.k_empty[k_.index].wait(k_.phase ^ 1u);
    s_.step[k_.index] = now.step;
    load_tile(s_.k[k_.index], now.kind == PlannedStep::kKeys ? &args_.k : &args_.landmark_key, &s_.k_full[k_.index],
              now);
    k_.advance();
  }

  __device__ void load_value(const PlannedStep& now) {
    s_.v_empty[v_.index].wait(v_.phase ^ 1u);
    load_tile(s_.v[v_.index], now.kind == PlannedStep::kKeys ? &args_.v : &args_.landmark_value, &s_.v_full[v_.index],
              now);
    v_.advance();
  }

  __device__ void load_queries(const PlannedStep& now) {
    Barrier& full = s_.q_full[q_.index];
    s_.q_empty[q_.index].wait(q_.phase ^ 1u);
    full.arrive_expect(Config::kQueryBytes);
    const Work& at = s_.work[now.work];
    for (int c = 0; c < Config::kChunks; ++c)
      load_box(s_.q[q_.index] + c * Config::kBlockM * 128, &args_.q, &full, c * 64, at.begin_q + at.first_query, at.head,
               args_.params.packed() ? 0 : at.b);
    q_.advance();
  }

  __device__ void load_tile(std::uint8_t* tile, const CUtensorMap* map, Barrier* full, const PlannedStep& now) {
    const Work& at = s_.work[now.work];
    const bool keys = now.kind == PlannedStep::kKeys;
    const std::int32_t begin = keys ? at.begin_k : 0, b = keys && args_.params.packed() ? 0 : at.b;
    full->arrive_expect(Config::kTileBytes);
#pragma unroll
    for (int c = 0; c < Config::kChunks; ++c)
#pragma unroll
      for (int half = 0; half < Config::kHalves; ++half)
        load_box(tile + c * Config::kBlockN * 128 + half * 64 * 128, map, full, c * 64,
                 begin + now.step.half[half].first, at.head_kv, b);
  }

  const ForwardArgs& args_;
  Shared& s_;
  RingPlace<Config::kPlanned> plan_;
  RingPlace<Config::kQueryStages> q_;
  RingPlace<Config::kKeyStages> k_;
  RingPlace<Config::kValueStages> v_;
};

}  // namespace halftone::cuda::sm90
