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

template <class Config>
struct ScoreShared {
  alignas(1024) std::uint8_t rows[kItemRows / kRowGroup][Config::kGroupBytes];
  alignas(1024) std::uint8_t statistics[Config::kStages][Config::kStatisticsBytes];
  RowSum sums[2][kItemRows];
  alignas(16) std::uint32_t bins[kFirstBins + 1];  ///< by the first digit; the last: of blocks that do not compete
  Barrier full[Config::kStages], empty[Config::kStages];
  alignas(16) std::uint16_t shares[];  ///< [kItemRows, share_pitch()] where plan.shares is null
};

/// Named barrier of all consumers; the next two: of those that share rows.
inline constexpr int kConsumerBarrier = 1, kRowsBarrier = 2;

/// Keeps squares of small shares above zero.
inline constexpr float kShareScale = 0x1p60f;

/// Where a row's exponential of a block lies: neighbouring rows' in different banks of shared memory.
__device__ inline int share_place(int pitch, int row, int block) { return row * pitch + (block ^ row % 8 * 8); }

/// Items of a thread block: the longest rows first, back and forth over the thread blocks, so that each gets its share.
struct ItemPlace {
  std::int32_t sequence, group;  ///< (sequence of the batch, key-value head); of kItemRows representatives
  bool exists;

  __device__ ItemPlace(const Plan& plan, int round) {
    const int size = static_cast<int>(gridDim.x), at = static_cast<int>(blockIdx.x);
    const auto index = static_cast<std::uint32_t>(round * size + (round % 2 ? size - 1 - at : at));
    const auto sequences = static_cast<std::uint32_t>(plan.params.batch * plan.params.heads_kv);
    exists = index < static_cast<std::uint32_t>(plan.items);
    sequence = static_cast<std::int32_t>(index % sequences);
    group = plan.item_groups - 1 - static_cast<std::int32_t>(index / sequences);
  }
};

/// Micro-blocks in the blocks that a tile sees; some of the last may lie past the sequence's end.
__device__ inline int visible_micros(const Plan& plan, int b, int tile) {
  const int len_q = static_cast<int>(plan.geometry.len_q(b));
  if (tile * kTileQueries >= len_q) return 0;
  const auto keys = static_cast<int>(plan.geometry.visible_keys(b, min((tile + 1) * kTileQueries, len_q) - 1));
  const int log2_block = plan.log2_micro_block + plan.log2_micros;
  return (keys + (1 << log2_block) - 1) >> log2_block << plan.log2_micros;
}

/// Copies of kColumns statistics that an item needs: up to the last block that any of its representatives sees. A later
/// tile of a sequence sees no fewer blocks.
__device__ inline int chunks_of(const Plan& plan, const ItemPlace& item) {
  const int b = item.sequence / plan.params.heads_kv;
  const int tiles = static_cast<int>((plan.geometry.len_q(b) + kTileQueries - 1) >> kLog2TileQueries);
  const int first = RepresentativePlace(plan, item.group * kItemRows).tile;
  const int last = RepresentativePlace(plan, item.group * kItemRows + kItemRows - 1).tile;
  return first < tiles ? (visible_micros(plan, b, min(last, tiles - 1)) + kColumns - 1) >> kLog2Columns : 0;
}

}  // namespace halftone::cuda::selection
