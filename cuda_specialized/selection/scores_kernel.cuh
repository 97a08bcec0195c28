// Block scores: the product of representatives and micro-block statistics on Hopper's tensor cores, shares of the
// attention mass, and what a tile makes of them.
//
// Persistent thread blocks of two groups of consumers, two warpgroups each, and a thread that fetches statistics. A
// group holds 64 representatives of a key-value head (scores_queries.cuh: u, and u^2 beside it) and meets all of the
// head's statistics that they see (scores_estimate.cuh). The exponentials of blocks are kept as bfloat16 until their
// sum is known, in shared memory where an item's fit; then they are read back, tile by tile (scores_finish.cuh).
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
    const ItemReach reach(plan, item, plan.sequence(item.batch), 0);
    const std::uint8_t* from =
        plan.statistics + std::int64_t{item.sequence(plan)} * plan.chunks * Config::kStatisticsBytes;
    wait_for_previous_kernel();
#pragma unroll 1
    for (int chunk = 0; chunk < reach.all_chunks(); ++chunk, from += Config::kStatisticsBytes) {
      s.empty[ring.index].wait(ring.phase ^ 1u);
      s.full[ring.index].arrive_expect(Config::kStatisticsBytes);
      load_bulk(s.statistics[ring.index], from, Config::kStatisticsBytes, &s.full[ring.index]);
#pragma unroll
      for (const int chunks : reach.chunks)  // of a group that does not meet it
        if (chunk >= chunks) s.empty[ring.index].arrive(kGroupThreads / 32);
      ring.advance();
    }
  }
}

/// By the consumers; the first item's queries are on their way. All that the two groups of rows share is the copies.
template <class Config>
__device__ void score(const Plan& plan, ScoreShared<Config>& s, ItemPlace item) {
  std::uint16_t* shares =
      plan.shares ? plan.shares + std::int64_t{blockIdx.x} * kItemRows * plan.share_pitch : s.shares;
  const ScoreQueries<Config> queries(plan, s);
  ScoreEstimate<Config> estimate(plan, s, shares);
  for (int round = 0; item.exists; ++round) {
    ItemPlace& kept = s.items[row_group()][round % 2];
    const SequenceTiles sequence = plan.sequence(item.batch);
    estimate.place(sequence, ItemReach(plan, item, sequence, estimate.row(read_thread())));
    if (threadIdx.x % kGroupThreads == 0) kept = item;
    queries.complete();
    sync_rows();  // the queries are there, the last item's shares read
    estimate.run();
    sync_rows();  // exponentials and sums are there, the queries read
    item = ItemPlace(plan, round + 1);
    if (item.exists) queries.load(item);
    estimate.make_factors();
    sync_rows();
    finish_scores<Config>(plan, s, kept, estimate.blocks(), shares);
  }
  wait_for_previous_kernel();
  named_sync(kConsumerBarrier, Config::kConsumers);
  if (plan.has_budget()) publish_counts(plan, s);
}

template <class Config>
__global__ void __launch_bounds__(Config::kThreads, 1) scores_kernel(const __grid_constant__ Plan plan) {
  extern __shared__ __align__(1024) std::uint8_t raw[];  // the 128-byte swizzle repeats every 1,024 bytes
  auto& s = *reinterpret_cast<ScoreShared<Config>*>(raw);
  launch_dependents();
  if (threadIdx.x < Config::kConsumers) {
    const ItemPlace first(plan, 0);
    ScoreQueries<Config>(plan, s).load(first);
    take_registers<Config::kConsumerRegisters>();
    named_sync(kReadyBarrier, Config::kThreads);
    score<Config>(plan, s, first);
  } else {
    give_registers<Config::kProducerRegisters>();
    const int thread = static_cast<int>(threadIdx.x) - Config::kConsumers;
    if (thread == 0) {
      for (Barrier& barrier : s.full) barrier.init(1);
      for (Barrier& barrier : s.empty) barrier.init(Config::kConsumers / 32);
      fence_barrier_init();
    }
#pragma unroll 1
    for (int i = thread; i < kFirstBins / 4; i += Config::kThreads - Config::kConsumers)
      reinterpret_cast<uint4*>(s.bins)[i] = {};
    named_arrive(kReadyBarrier, Config::kThreads);
    if (thread == 0) fetch_statistics<Config>(plan, s);
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
