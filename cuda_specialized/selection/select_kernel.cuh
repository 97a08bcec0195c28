// The kernel that chooses: scores, one tolerance, block lists.
//
// Persistent thread blocks of a producer warp and two consumer warpgroups, one per multiprocessor. They take items to
// score as they come; those that got one then are a team, which finds the tolerance and writes the lists together.
#pragma once

#include "halftone/cuda_specialized/common/check.hpp"
#include "halftone/cuda_specialized/selection/lists.cuh"
#include "halftone/cuda_specialized/selection/score_consumer.cuh"
#include "halftone/cuda_specialized/selection/threshold.cuh"

namespace halftone::cuda::selection {

template <class Config>
__global__ void __launch_bounds__(Config::kThreads, 1) select_kernel(const __grid_constant__ Plan plan) {
  extern __shared__ __align__(1024) std::uint8_t raw[];  // the 128-byte swizzle repeats every 1,024 bytes
  auto& s = *reinterpret_cast<ScoreShared<Config>*>(raw);
  if (threadIdx.x == 0) s.init();
  for (int i = static_cast<int>(threadIdx.x); i < kFirstBins; i += Config::kThreads) s.bins[i] = 0;
  __syncthreads();
  wait_for_previous_kernel();
  if (threadIdx.x >= kTeamThreads) {
    give_registers<Config::kProducerRegisters>();
    if (threadIdx.x < kTeamThreads + 32) ScoreProducer<Config>(plan, s).run();
  } else {
    take_registers<Config::kConsumerRegisters>();
    const int items = ScoreConsumer<Config>(plan, s, static_cast<int>(threadIdx.x) / 128).run();
    if (items == 0) return;
    team_sync();
    if (plan.has_budget()) add_first_digits(plan, s.bins);
    const Team team = join_team(plan, items);
    const float tolerance =
        plan.has_budget() ? find_tolerance(plan, team, s.bins) : static_cast<float>(plan.options.tolerance);
    write_lists(plan, team, tolerance);
  }
}

/// Programmatic dependent launch: the kernel may start while the statistics' still runs, for which it waits.
template <class Config>
void launch_select_as(const Plan& plan, cudaStream_t stream) {
  constexpr int kBytes = static_cast<int>(sizeof(ScoreShared<Config>));
  const auto kernel = select_kernel<Config>;
  HALFTONE_CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes));
  cudaLaunchAttribute early{};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(plan.select_blocks));
  config.blockDim = dim3(Config::kThreads);
  config.dynamicSmemBytes = kBytes;
  config.stream = stream;
  config.attrs = &early;
  config.numAttrs = 1;
  HALFTONE_CUDA_CHECK(cudaLaunchKernelEx(&config, kernel, plan));
}

template <int kDim, bool kSum>
void launch_select_of(const Plan& plan, cudaStream_t stream) {
  switch (plan.micros) {
    case 1: return launch_select_as<ScoreConfig<kDim, 1, kSum>>(plan, stream);
    case 2: return launch_select_as<ScoreConfig<kDim, 2, kSum>>(plan, stream);
    case 4: return launch_select_as<ScoreConfig<kDim, 4, kSum>>(plan, stream);
    case 8: return launch_select_as<ScoreConfig<kDim, 8, kSum>>(plan, stream);
    default: return launch_select_as<ScoreConfig<kDim, 16, kSum>>(plan, stream);
  }
}

}  // namespace halftone::cuda::selection
