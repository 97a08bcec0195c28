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
  static constexpr int kThreads = 384;
  static constexpr int kProducerRegisters = 40, kConsumerRegisters = 232;
  static constexpr int kGroupBytes = operand_bytes(kRowGroup, kDim);
  static constexpr int kStatisticsBytes = operand_bytes(kColumns, kDim);
};

template <class Config>
struct ScoreShared {
  alignas(1024) std::uint8_t rows[2][Config::kGroupBytes];  ///< of both warpgroups
  alignas(1024) std::uint8_t statistics[Config::kStages][Config::kStatisticsBytes];
  float factor[kItemRows];  ///< from a row's exponentials to shares, times kShareScale
  alignas(16) std::uint32_t bins[kFirstBins + 1];  ///< by the first digit; the last: of blocks that do not compete
  Barrier rows_full, rows_empty, full[Config::kStages], empty[Config::kStages];
  alignas(16) std::uint16_t shares[];  ///< [kItemRows, share_pitch()] where plan.shares is null
};

/// Keeps squares of small shares above zero.
inline constexpr float kShareScale = 0x1p60f;

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

/// Products that an item needs: up to the last block that any of its representatives sees. A later tile of a sequence
/// sees no fewer blocks.
__device__ inline int chunks_of(const Plan& plan, const ItemPlace& item) {
  const int b = item.sequence / plan.params.heads_kv, len_q = static_cast<int>(plan.geometry.len_q(b));
  if (RepresentativePlace(plan, item.group * kItemRows).tile * kTileQueries >= len_q) return 0;
  const int last_tile = RepresentativePlace(plan, item.group * kItemRows + kItemRows - 1).tile;
  const int last_query = min((last_tile + 1) * kTileQueries, len_q) - 1;
  const auto keys = static_cast<std::uint32_t>(plan.geometry.visible_keys(b, last_query));
  const auto chunk_keys = static_cast<std::uint32_t>(kColumns * plan.options.micro_block);
  return static_cast<int>((keys + chunk_keys - 1) / chunk_keys);
}

}  // namespace halftone::cuda::selection
