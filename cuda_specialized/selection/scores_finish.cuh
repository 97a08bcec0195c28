// From exponentials to priorities: shares, what a tile makes of its representatives', head weights, and the count by
// the first digit.
#pragma once

#include "halftone/cuda_specialized/selection/elements.cuh"
#include "halftone/cuda_specialized/selection/scores_config.cuh"

namespace halftone::cuda::selection {

/// Over the shares of a tile's `rows` representatives, `pitch` apart, in eight neighbouring blocks; `runs` of them exist,
/// the others' shares are 0.
template <patterns::Aggregation kHow>
__device__ inline void aggregate(const std::uint16_t* shares, int pitch, const float* factor, int rows, int runs,
                                 float (&score)[8]) {
  constexpr int kInFlight = 4;
#pragma unroll
  for (float& total : score) total = 0.0f;
#pragma unroll 1
  for (int begin = 0; begin < rows; begin += kInFlight) {
    uint4 packed[kInFlight];
    float scale[kInFlight];
#pragma unroll
    for (int r = 0; r < kInFlight; ++r) {
      const int row = min(begin + r, rows - 1);
      packed[r] = *reinterpret_cast<const uint4*>(shares + row * pitch);
      scale[r] = begin + r < rows ? factor[row] : 0.0f;
    }
#pragma unroll
    for (int r = 0; r < kInFlight; ++r) {
      float e[8];
      unpack<bfloat16>(packed[r], e);
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const float share = e[i] * scale[r];
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
    const bool forced = (block < range.sink_end) | ((block >= range.near_begin) & (block < range.near_end));
    not_finite += visible & !(score[i] < INFINITY);
    priority[i] = forced ? INFINITY : score[i] * weight;
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

/// Adds a thread block's counts to the call's, by 256 threads.
__device__ inline void publish_counts(const Plan& plan, const std::uint32_t* bins, int thread) {
#pragma unroll 1
  for (int i = thread * 4; i < kFirstBins; i += 4 * 256) {
    const uint4 four = *reinterpret_cast<const uint4*>(bins + i);
    const std::uint32_t count[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
    for (int j = 0; j < 4; ++j)
      if (count[j] > 0) atomicAdd(plan.first_bins + i + j, count[j]);
  }
}

/// Priorities of a warpgroup's tiles, whose rows see at most `visible` blocks, eight blocks of a tile and head per
/// thread. `shares`: of the warpgroup's first row.
template <class Config>
__device__ void finish_scores(const Plan& plan, ScoreShared<Config>& s, const ItemPlace& item, int group, int visible,
                              const std::uint16_t* shares) {
  const int pitch = plan.share_pitch(), per_tile = plan.representatives_per_tile(), log2_run = 7 - plan.log2_representatives;
  const auto octets = static_cast<std::uint32_t>(visible / 8), tasks = kRowGroup / per_tile * octets;
  const int b = item.sequence / plan.params.heads_kv;
  const int first_head = item.sequence % plan.params.heads_kv * plan.group;
#pragma unroll 1
  for (std::uint32_t i = threadIdx.x % 128; i < tasks; i += 128) {
    const int row = static_cast<int>(i / octets) * per_tile, block = static_cast<int>(i % octets) * 8;
    const RepresentativePlace place(plan, item.group * kItemRows + group * kRowGroup + row);
    if (place.tile >= plan.tiles) return;
    const TileRange range = plan.ranges[b * plan.tiles + place.tile];
    if (block >= range.visible) continue;
    const std::uint16_t* from = shares + row * pitch + block;
    const float* factor = s.factor + group * kRowGroup + row;
    const int runs = (range.queries + (1 << log2_run) - 1) >> log2_run;
    float score[8];
    switch (plan.options.aggregation) {
      case patterns::Aggregation::rms: aggregate<patterns::Aggregation::rms>(from, pitch, factor, per_tile, runs, score); break;
      case patterns::Aggregation::max: aggregate<patterns::Aggregation::max>(from, pitch, factor, per_tile, runs, score); break;
      case patterns::Aggregation::mean: aggregate<patterns::Aggregation::mean>(from, pitch, factor, per_tile, runs, score); break;
    }
    const int head = first_head + place.head;
    const float weight = plan.options.head_weight ? __ldg(plan.options.head_weight + head) : 1.0f;
    const std::int64_t mask_row = (std::int64_t{b} * plan.geometry.heads + head) * plan.tiles + place.tile;
    store_priorities(plan, s.bins, plan.priorities + mask_row * plan.blocks, block, range, score, weight);
  }
}

}  // namespace halftone::cuda::selection
