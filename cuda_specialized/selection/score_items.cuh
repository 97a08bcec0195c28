// What the selection's kernel scores at a time, and the warp that fetches it.
#pragma once

#include "halftone/cuda_specialized/common/barrier.cuh"
#include "halftone/cuda_specialized/selection/team.cuh"

namespace halftone::cuda::selection {

template <int kDim_, int kMicros_, bool kSum_>
struct ScoreConfig {
  static constexpr int kDim = kDim_;
  static constexpr int kMicros = kMicros_;  ///< micro-blocks per block
  static constexpr bool kSum = kSum_;       ///< the mass of a block is the sum of theirs, not the largest
  static constexpr int kChunkBlocks = kColumns / kMicros;
  static constexpr int kThreadBlocks = 32 / kMicros;  ///< blocks of a product that one thread holds, per row
  static constexpr int kRowStages = 2;
  static constexpr int kStages = kDim == 64 ? 5 : 3;
  static constexpr int kThreads = kTeamThreads + 128;  ///< consumers, and a warpgroup of which one warp produces
  static constexpr int kProducerRegisters = 40, kConsumerRegisters = 232;
  static constexpr int kGroupBytes = operand_bytes(kRowGroup, kDim);
  static constexpr int kStatisticsBytes = operand_bytes(kColumns, kDim);
};

/// kItemRows representatives of one (sequence of the batch, key-value head) and how many products they need: up to the
/// last block that any of them sees, at least one. 0: there is no item left.
struct ScoreItem {
  std::int32_t sequence, group, chunks;
};

template <class Config>
struct ScoreShared {
  alignas(1024) std::uint8_t rows[Config::kRowStages][2][Config::kGroupBytes];  ///< of both warpgroups
  alignas(1024) std::uint8_t statistics[Config::kStages][Config::kStatisticsBytes];
  ScoreItem item[Config::kRowStages];
  float factor[kItemRows];  ///< from a row's exponentials to shares, times kShareScale
  std::uint32_t bins[kFirstBins];
  Barrier rows_full[Config::kRowStages], rows_empty[Config::kRowStages], full[Config::kStages], empty[Config::kStages];

  /// By one thread.
  __device__ void init() {
    for (Barrier& barrier : rows_full) barrier.init(2);  // the rows, and what item they are of
    for (Barrier& barrier : rows_empty) barrier.init(kTeamWarps);
    for (Barrier& barrier : full) barrier.init(1);
    for (Barrier& barrier : empty) barrier.init(kTeamWarps);
    fence_barrier_init();
  }
};

/// Copies `bytes` contiguous bytes to shared memory; counts them on `barrier`.
__device__ inline void load_bulk(void* shared, const void* global, int bytes, Barrier* barrier) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
                   shared_address(shared)),
               "l"(__cvta_generic_to_global(global)), "r"(bytes), "r"(shared_address(&barrier->word))
               : "memory");
}

/// Takes items, those of the longest rows first, until none is left. By one warp, whose first lane does all but find
/// out how long an item's rows are: that, the rows and the first statistics are on their way at the same time.
template <class Config>
class ScoreProducer {
 public:
  __device__ ScoreProducer(const Plan& plan, ScoreShared<Config>& shared)
      : plan_(plan), s_(shared), lane_(static_cast<int>(threadIdx.x) % 32) {}

  __device__ void run() {
    const int sequences = plan_.items / plan_.item_groups;
    for (;; rows_.advance()) {
      const int index = take();
      Barrier& full = s_.rows_full[rows_.index];
      ScoreItem& item = s_.item[rows_.index];
      if (lane_ == 0) s_.rows_empty[rows_.index].wait(rows_.phase ^ 1u);
      if (index >= plan_.items) {
        if (lane_ == 0) {
          item.chunks = 0;
          full.arrive();
          full.arrive();
        }
        return;
      }
      const int sequence = index % sequences, group = plan_.item_groups - 1 - index / sequences;
      const std::uint8_t* statistics =
          plan_.statistics + std::int64_t{sequence} * plan_.chunks * Config::kStatisticsBytes;
      if (lane_ == 0) {
        full.arrive_expect(2 * Config::kGroupBytes);
        load_bulk(
            s_.rows[rows_.index],
            plan_.representatives + (std::int64_t{sequence} * plan_.item_groups + group) * 2 * Config::kGroupBytes,
            2 * Config::kGroupBytes, &full);
        load_statistics(statistics);
      }
      const int chunks = chunks_of(sequence / plan_.params.heads_kv, group);
      if (lane_ > 0) continue;
      item = {sequence, group, chunks};
      full.arrive();
      for (int chunk = 1; chunk < chunks; ++chunk)
        load_statistics(statistics + std::int64_t{chunk} * Config::kStatisticsBytes);
    }
  }

 private:
  __device__ int take() const {
    std::uint32_t index = 0;
    if (lane_ == 0) index = atomicAdd(&plan_.control->next_item, 1u);
    return static_cast<int>(__shfl_sync(0xffffffffu, index, 0));
  }

  __device__ void load_statistics(const std::uint8_t* from) {
    s_.empty[ring_.index].wait(ring_.phase ^ 1u);
    s_.full[ring_.index].arrive_expect(Config::kStatisticsBytes);
    load_bulk(s_.statistics[ring_.index], from, Config::kStatisticsBytes, &s_.full[ring_.index]);
    ring_.advance();
  }

  __device__ int chunks_of(int b, int group) const {
    const int first = RepresentativePlace(plan_, group * kItemRows).tile;
    const int last = min(RepresentativePlace(plan_, group * kItemRows + kItemRows - 1).tile, plan_.tiles - 1);
    int visible = 1;
    for (int tile = first + lane_; tile <= last; tile += 32)
      visible = max(visible, plan_.ranges[b * plan_.tiles + tile].visible);
    return (__reduce_max_sync(0xffffffffu, visible) + plan_.chunk_blocks - 1) / plan_.chunk_blocks;
  }

  const Plan& plan_;
  ScoreShared<Config>& s_;
  int lane_;
  RingPlace<Config::kRowStages> rows_;
  RingPlace<Config::kStages> ring_;
};

}  // namespace halftone::cuda::selection
