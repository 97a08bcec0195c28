// What the parts of the scores' kernel share: sizes, shared memory, the items of a thread block.
#pragma once

#include "halftone/cuda_specialized/common/barrier.cuh"
#include "halftone/cuda_specialized/selection/plan.hpp"

namespace halftone::cuda::selection {

template <int kDim_, int kMicros_, bool kSum_>
struct ScoreConfig {
  static constexpr int kDim = kDim_;
  static constexpr int kMicros = kMicros_;  ///< micro-blocks per block
  static constexpr bool kSum = kSum_;       ///< the mass of a block is the sum of theirs, not the largest
  static constexpr int kChunkBlocks = kColumns / kMicros;
  static constexpr int kStages = kDim == 64 ? 5 : 3;
  /// Four warpgroups, for two times 64 representatives and two halves of the micro-blocks, and one that fetches.
  static constexpr int kConsumers = 512, kThreads = kConsumers + 128;
  /// Of the 96 per thread that fit at the launch.
  static constexpr int kProducerRegisters = 24, kConsumerRegisters = 112;
  static_assert(kProducerRegisters * 128 + kConsumerRegisters * kConsumers <= 65536 / kThreads / 8 * 8 * kThreads);
  static constexpr int kGroupBytes = operand_bytes(kRowGroup, kDim);
  static constexpr int kStatisticsBytes = operand_bytes(kColumns, kDim);
};

/// Of a row's exponentials in one half of the columns: first the point that they are relative to and their sum, then
/// (in `reference`) the factor that makes shares of them, times kShareScale.
struct RowSum {
  float reference, sum;
};

/// Named barriers: of all threads, once shared memory is prepared; of all consumers; from here on of those of a group
/// of rows.
inline constexpr int kReadyBarrier = 1, kConsumerBarrier = 2, kRowsBarrier = 3;

/// Consumers of a group of rows: two warpgroups, for two halves of the columns.
inline constexpr int kGroupThreads = 256;
__device__ inline int row_group() { return static_cast<int>(threadIdx.x / kGroupThreads); }
__device__ inline int column_half() { return static_cast<int>(threadIdx.x / 128 % 2); }
__device__ inline void sync_rows() { named_sync(kRowsBarrier + row_group(), kGroupThreads); }

/// threadIdx.x, read anew, so that nothing that follows from it takes registers while there are products.
__device__ inline int read_thread() {
  int thread;
  asm volatile("mov.u32 %0, %tid.x;" : "=r"(thread));
  return thread;
}

/// Keeps squares of small shares above zero.
inline constexpr float kShareScale = 0x1p60f;

/// Where a row's exponential of a block lies: neighbouring rows' in different banks of shared memory.
__device__ inline int share_place(int pitch, int row, int block) { return row * pitch + (block ^ row % 8 * 8); }

/// Items of a thread block: two groups of kRowGroup representatives each, which share the copies of statistics. Where
/// every thread block has one item at most, a group that sees much goes with one that sees little, so that all items
/// take the same time; elsewhere neighbours go together, for fewer copies: the longest rows first, back and forth over
/// the thread blocks, so that each gets its share.
struct ItemPlace {
  std::int32_t batch, head_kv;
  std::int32_t first[2];  ///< representative of each group
  bool exists;

  __device__ ItemPlace(const Plan& plan, int round) {
    const int size = static_cast<int>(gridDim.x), at = static_cast<int>(blockIdx.x);
    const auto index = static_cast<std::uint32_t>(round * size + (round % 2 ? size - 1 - at : at));
    const std::uint32_t longest_first = plan.by_sequences.quotient(index);
    const std::uint32_t sequence = index - longest_first * plan.by_sequences.divisor;
    exists = index < static_cast<std::uint32_t>(plan.items);
    const auto nth = static_cast<std::int32_t>(longest_first);
    const std::int32_t far = plan.folded ? plan.row_groups - 1 - nth : 2 * (plan.item_groups - 1 - nth);
    const std::int32_t near = !plan.folded ? far + 1 : nth < far ? nth : plan.row_groups;  // the last: not there
    first[0] = far * kRowGroup;
    first[1] = near * kRowGroup;
    batch = static_cast<std::int32_t>(plan.by_heads_kv.quotient(sequence));
    head_kv = static_cast<std::int32_t>(sequence) - batch * plan.params.heads_kv;
  }
  __device__ std::int32_t sequence(const Plan& plan) const { return batch * plan.params.heads_kv + head_kv; }
  __device__ RepresentativePlace place(const Plan& plan, int row) const {
    return {plan, row < kRowGroup ? first[0] + row : first[1] - kRowGroup + row};
  }
};

template <class Config>
struct ScoreShared {
  alignas(1024) std::uint8_t rows[kItemRows / kRowGroup][Config::kGroupBytes];
  alignas(1024) std::uint8_t statistics[Config::kStages][Config::kStatisticsBytes];
  RowSum sums[2][kItemRows];
  alignas(16) std::uint32_t bins[kFirstBins + 1];  ///< by the first digit; the last: of blocks that do not compete
  ItemPlace items[kItemRows / kRowGroup][2];       ///< a group's, in turn: not in registers while there are products
  Barrier full[Config::kStages], empty[Config::kStages];
  alignas(16) std::uint16_t shares[];  ///< [kItemRows, share_pitch] where plan.shares is null
};

/// What an item's rows see.
struct ItemReach {
  int chunks[2];  ///< copies of kColumns statistics that each group of rows meets; all where another item may follow
  int micros[2];  ///< in the blocks that two rows see; some of the last may lie past the sequence's end

  /// Of the rows `row` and row + 8.
  __device__ ItemReach(const Plan& plan, const ItemPlace& item, const SequenceTiles& sequence, int row) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      // No tile sees fewer blocks than those before it.
      const int first = item.place(plan, i * kRowGroup).tile, last = item.place(plan, (i + 1) * kRowGroup - 1).tile;
      const int seen = sequence.visible(max(min(last, sequence.tiles() - 1), first));
      chunks[i] = ((seen << plan.log2_micros) + kColumns - 1) >> kLog2Columns;
      micros[i] = sequence.visible(item.place(plan, row + 8 * i).tile) << plan.log2_micros;
    }
    if (!plan.folded) chunks[0] = chunks[1] = all_chunks();
  }
  __device__ int all_chunks() const { return max(chunks[0], chunks[1]); }
};

}  // namespace halftone::cuda::selection
