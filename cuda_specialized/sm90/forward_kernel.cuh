// The Hopper forward kernel: persistent CTAs of a planner warp, a producer warp and two consumer warpgroups.
#pragma once

#include "halftone/cuda_specialized/sm90/consumer.cuh"
#include "halftone/cuda_specialized/sm90/planner.cuh"
#include "halftone/cuda_specialized/sm90/producer.cuh"

namespace halftone::cuda::sm90 {

template <class Config, class Element, bool kLandmarks>
__global__ void __launch_bounds__(Config::kThreads, 1) forward_kernel(const __grid_constant__ ForwardArgs args) {
  extern __shared__ __align__(1024) std::uint8_t raw[];  // the 128-byte swizzle repeats every 1,024 bytes
  auto& shared = *reinterpret_cast<SharedStorage<Config>*>(raw);
  constexpr int kConsumerWarps = Config::kConsumers * 4;
  if (threadIdx.x == 0) {
    for (Barrier& b : shared.q_full) b.init(1);
    for (Barrier& b : shared.k_full) b.init(1);
    for (Barrier& b : shared.v_full) b.init(1);
    for (Barrier& b : shared.plan_full) b.init(1);
    for (Barrier& b : shared.plan_empty) b.init(1);
    for (Barrier& b : shared.work_full) b.init(1);
    for (Barrier& b : shared.q_empty) b.init(Config::kConsumers);
    for (Barrier& b : shared.k_empty) b.init(kConsumerWarps);
    for (Barrier& b : shared.v_empty) b.init(kConsumerWarps);
    for (Barrier& b : shared.work_empty) b.init(kConsumerWarps);
    fence_barrier_init();
  }
  __syncthreads();
  if (threadIdx.x < 128) {
    give_registers<Config::kProducerRegisters[kLandmarks]>();
    if (threadIdx.x == 0) Producer<Config>(args, shared).run();
    if (threadIdx.x / 32 == 1) Planner<Config, kLandmarks>(args, shared).run();
  } else {
    take_registers<Config::kConsumerRegisters[kLandmarks]>();
    Consumer<Config, Element, kLandmarks>(args, shared, static_cast<int>(threadIdx.x) / 128 - 1).run();
  }
}

template <class Config>
constexpr std::size_t forward_shared_bytes() {
  return sizeof(SharedStorage<Config>);
}

}  // namespace halftone::cuda::sm90
