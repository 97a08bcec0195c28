// Block scores: the product of representatives and micro-block statistics on Hopper's tensor cores, shares of the
// attention mass, and what a tile makes of them.
//
// Persistent thread blocks of four consumer warpgroups and a thread that fetches statistics. Consumers hold 128
// representatives of one key-value head (scores_queries.cuh: u, and u^2 beside it) and meet all of the head's
// statistics (scores_estimate.cuh). The exponentials of blocks are kept as bfloat16 until their sum is known, in shared
// memory where an item's fit; then they are read back, tile by tile (scores_finish.cuh).
#pragma once

#include "halftone/cuda_specialized/selection/launch.cuh"
#include "halftone/cuda_specialized/selection/scores_estimate.cuh"
#include "halftone/cuda_specialized/selection/scores_finish.cuh"
#include "halftone/cuda_specialized/selection/scores_queries.cuh"

namespace halftone::cuda::selection {

/// Copies `bytes` contiguous bytes to shared memory; counts them on `barrier`.
__device__ inline void load_bulk(void* shared, const void* global, int bytes, Barrier* barrier) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
                   shared_address(shared)),
               "l"(__cvta_generic_to_global(global)), "r"(bytes), "r"(shared_address(&barrier->word))
               : "memory");
}

template <class Config>
__device__ void fetch_statistics(const Plan& plan, ScoreShared<Config>& s) {
  RingPlace<Config::kStages> ring;
  for (int round = 0;; ++round) {
    const ItemPlace item(plan, round);
    if (!item.exists) return;
    const int chunks = ItemReach(plan, item, 0).all_chunks();
    const std::uint8_t* from =
        plan.statistics + std::int64_t{item.sequence(plan)} * plan.chunks * Config::kStatisticsBytes;
#pragma unroll 1
    for (int chunk = 0; chunk < chunks; ++chunk, from += Config::kStatisticsBytes) {
      s.empty[ring.index].wait(ring.phase ^ 1u);
      s.full[ring.index].arrive_expect(Config::kStatisticsBytes);
      load_bulk(s.statistics[ring.index], from, Config::kStatisticsBytes, &s.full[ring.index]);
      ring.advance();
    }
  }
}

/// By the consumers; the first item's queries are on their way.
template <class Config>
__device__ void score(const Plan& plan, ScoreShared<Config>& s) {
  std::uint16_t* shares =
      plan.shares ? plan.shares + std::int64_t{blockIdx.x} * kItemRows * plan.share_pitch : s.shares;
  const ScoreQueries<Config> queries(plan, s);
  ScoreEstimate<Config> estimate(plan, s, shares);
  ItemPlace item(plan, 0);
  for (int round = 0; item.exists;) {
    const ItemReach reach(plan, item, estimate.row());
    const int chunks = reach.all_chunks();
    estimate.place(item, reach);
    queries.complete();
    named_sync(kConsumerBarrier, Config::kConsumers);  // the queries are there, the last item's shares read
    if (chunks > 0) estimate.run(chunks);
    named_sync(kConsumerBarrier, Config::kConsumers);  // shares and factors are there, the queries read
    const ItemPlace next(plan, ++round);
    if (next.exists) queries.load(next);
    if (chunks > 0) finish_scores<Config>(plan, s, item, chunks * Config::kChunkBlocks, shares);
    item = next;
  }
  named_sync(kConsumerBarrier, Config::kConsumers);
  if (plan.has_budget()) publish_counts(plan, s);
}

template <class Config>
__global__ void __launch_bounds__(Config::kThreads, 1) scores_kernel(const __grid_constant__ Plan plan) {
  extern __shared__ __align__(1024) std::uint8_t raw[];  // the 128-byte swizzle repeats every 1,024 bytes
  auto& s = *reinterpret_cast<ScoreShared<Config>*>(raw);
  launch_dependents();
  if (threadIdx.x < Config::kConsumers) ScoreQueries<Config>(plan, s).load(ItemPlace(plan, 0));
  if (threadIdx.x == Config::kConsumers) {
    for (Barrier& barrier : s.full) barrier.init(1);
    for (Barrier& barrier : s.empty) barrier.init(Config::kConsumers / 32);
    fence_barrier_init();
  }
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < kFirstBins / 4; i += Config::kThreads)
    reinterpret_cast<uint4*>(s.bins)[i] = {};
  __syncthreads();
  wait_for_previous_kernel();
  if (threadIdx.x < Config::kConsumers) {
    take_registers<Config::kConsumerRegisters>();
    score<Config>(plan, s);
  } else {
    give_registers<Config::kProducerRegisters>();
    if (threadIdx.x == Config::kConsumers) fetch_statistics<Config>(plan, s);
  }
}

template <class Config>
void launch_scores_as(const Plan& plan, cudaStream_t stream) {
  const int bytes = static_cast<int>(sizeof(ScoreShared<Config>)) + (plan.shares ? 0 : plan.item_share_bytes());
  static_assert(sizeof(ScoreShared<Config>) + kItemShareBytes <= 227 * 1024, "what a thread block of Hopper can have");
  const auto kernel = scores_kernel<Config>;
  HALFTONE_CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes));
  launch_after(kernel, plan, plan.score_blocks, Config::kThreads, bytes, stream);
}

template <int kDim, bool kSum>
void launch_scores_of(const Plan& plan, cudaStream_t stream) {
  switch (plan.micros) {
    case 1: return launch_scores_as<ScoreConfig<kDim, 1, kSum>>(plan, stream);
    case 2: return launch_scores_as<ScoreConfig<kDim, 2, kSum>>(plan, stream);
    case 4: return launch_scores_as<ScoreConfig<kDim, 4, kSum>>(plan, stream);
    case 8: return launch_scores_as<ScoreConfig<kDim, 8, kSum>>(plan, stream);
    default: return launch_scores_as<ScoreConfig<kDim, 16, kSum>>(plan, stream);
  }
}

}  // namespace halftone::cuda::selection
