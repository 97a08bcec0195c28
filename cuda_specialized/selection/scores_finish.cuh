// From exponentials to priorities: shares, what a tile makes of its representatives', head weights, and the count by
// the first digit.
#pragma once

#include "halftone/cuda_specialized/selection/elements.cuh"
#include "halftone/cuda_specialized/selection/scores_config.cuh"

namespace halftone::cuda::selection {

/// Over the shares of `runs` representatives, from `row` on, in eight neighbouring blocks.
template <class Config, patterns::Aggregation kHow>
__device__ inline void aggregate(const ScoreShared<Config>& s, const std::uint16_t* shares, int pitch, int row,
                                 int block, int runs, float (&score)[8]) {
  constexpr int kInFlight = 4, kHalfBlocks = Config::kChunkBlocks / 2;
  constexpr bool kBothHalves = kHalfBlocks < 8;
  const RowSum* factors = s.sums[block / kHalfBlocks % 2];
#pragma unroll
  for (float& total : score) total = 0.0f;
#pragma unroll 1
  for (int begin = 0; begin < runs; begin += kInFlight) {
    uint4 packed[kInFlight];
    float scale[kInFlight][2];
#pragma unroll
    for (int r = 0; r < kInFlight; ++r) {
      const int at = row + min(begin + r, runs - 1);
      const bool there = begin + r < runs;
      packed[r] = *reinterpret_cast<const uint4*>(shares + share_place(pitch, at, block));
      scale[r][0] = there ? factors[at].reference : 0.0f;
      scale[r][1] = !kBothHalves ? scale[r][0] : there ? factors[at + kItemRows].reference : 0.0f;
    }
#pragma unroll
    for (int r = 0; r < kInFlight; ++r) {
      float e[8];
      unpack<bfloat16>(packed[r], e);
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const float share = e[i] * scale[r][i / 4];
        if constexpr (kHow == patterns::Aggregation::rms)
          score[i] = fmaf(share, share, score[i]);
        else if constexpr (kHow == patterns::Aggregation::mean)
          score[i] += share;
        else
          score[i] = share > score[i] || share != share ? share : score[i];  // NaN stays
      }
    }
  }
  const float per_run = __fdividef(1.0f, static_cast<float>(runs));
#pragma unroll
  for (float& total : score) {
    if constexpr (kHow == patterns::Aggregation::rms)
      asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(total) : "f"(total * per_run));
    else if constexpr (kHow == patterns::Aggregation::mean)
      total *= per_run;
    total *= 1.0f / kShareScale;
  }
}

/// Eight priorities of a row, and their count by the first digit. Without branches per block.
__device__ inline void store_priorities(const Plan& plan, std::uint32_t* bins, float* row, int first,
                                        const TileRange& range, const float (&score)[8], float weight) {
  const bool count = plan.has_budget();
  float priority[8];
  unsigned not_finite = 0;
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const int block = first + i;
    const bool visible = block < range.visible;
    not_finite += visible & !(score[i] < INFINITY);
    priority[i] = range.forced(block) ? INFINITY : score[i] * weight;
    if (count) {
      const bool competes = visible & (priority[i] < INFINITY);
      atomicAdd(bins + (competes ? __float_as_uint(priority[i]) >> kSecondBits : kFirstBins), 1u);
    }
  }
  if (not_finite > 0) atomicAdd(&plan.control->outcome.not_finite, not_finite);
  if (plan.blocks % 4 == 0) {
#pragma unroll
    for (int i = 0; i < 8; i += 4)
      if (first + i < range.visible)
        *reinterpret_cast<float4*>(row + first + i) = {priority[i], priority[i + 1], priority[i + 2], priority[i + 3]};
  } else {
#pragma unroll
    for (int i = 0; i < 8; ++i)
      if (first + i < range.visible) row[first + i] = priority[i];
  }
}

/// Adds a thread block's counts to the call's.
template <class Config>
__device__ void publish_counts(const Plan& plan, const ScoreShared<Config>& s) {
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x) * 4; i < kFirstBins; i += 4 * Config::kConsumers) {
    const uint4 four = *reinterpret_cast<const uint4*>(s.bins + i);
    const std::uint32_t count[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
    for (int j = 0; j < 4; ++j)
      if (count[j] > 0) atomicAdd(plan.first_bins + i + j, count[j]);
  }
}

/// Priorities of the tiles of a group of rows, which see at most `visible` blocks, eight blocks of a tile and head per
/// thread.
template <class Config>
__device__ void finish_scores(const Plan& plan, ScoreShared<Config>& s, const ItemPlace& item, int visible,
                              const std::uint16_t* shares) {
  const SequenceTiles sequence = plan.sequence(item.batch);
  const int pitch = plan.share_pitch, log2_run = kLog2TileQueries - plan.log2_representatives;
  const auto octets = static_cast<std::uint32_t>(visible / 8), tasks = octets * kRowGroup >> plan.log2_representatives;
#pragma unroll 1
  for (std::uint32_t i = threadIdx.x % kGroupThreads; i < tasks; i += kGroupThreads) {
    const int row = row_group() * kRowGroup + static_cast<int>(i / octets << plan.log2_representatives);
    const int block = static_cast<int>(i % octets) * 8;
    const RepresentativePlace place = item.place(plan, row);
    const TileRange range = sequence.range(place.tile);
    if (block >= range.visible) continue;
    const int runs = (sequence.queries(place.tile) + (1 << log2_run) - 1) >> log2_run;
    float score[8];
    switch (plan.options.aggregation) {
      case patterns::Aggregation::rms:
        aggregate<Config, patterns::Aggregation::rms>(s, shares, pitch, row, block, runs, score);
        break;
      case patterns::Aggregation::max:
        aggregate<Config, patterns::Aggregation::max>(s, shares, pitch, row, block, runs, score);
        break;
      case patterns::Aggregation::mean:
        aggregate<Config, patterns::Aggregation::mean>(s, shares, pitch, row, block, runs, score);
        break;
    }
    const int head = item.head_kv * plan.group + place.head;
    const float weight = plan.options.head_weight ? __ldg(plan.options.head_weight + head) : 1.0f;
    const std::int64_t mask_row = (std::int64_t{item.batch} * plan.geometry.heads + head) * plan.tiles + place.tile;
    store_priorities(plan, s.bins, plan.priorities + mask_row * plan.blocks, block, range, score, weight);
  }
}

}  // namespace halftone::cuda::selection
