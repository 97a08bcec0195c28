// Sums over the variance groups of a row's dimensions, by the threads that hold eight of them each.
#pragma once

#include "halftone/cuda_specialized/selection/elements.cuh"
#include "halftone/cuda_specialized/selection/plan.hpp"

namespace halftone::cuda::selection {

/// Sums (or means) over the groups of 32 kWidth dimensions, to the narrow part of an operand; null: nowhere. A thread's
/// values are halves of whole groups: it adds them to those of the thread of its warp that has the other halves.
template <bool kMean, int kWidth>
__device__ void store_even_groups(const float (&x)[8], std::uint8_t* narrow, std::uint32_t row, int piece) {
  constexpr int kHalf = 2 * kWidth, kHeld = 8 / kWidth;  // threads to the other half of a row; groups
  float sum[kHeld];
#pragma unroll
  for (int g = 0; g < kHeld; ++g) {
    const auto add_own = [&](float total) {
#pragma unroll
      for (int i = 0; i < kWidth; ++i) total += x[g * kWidth + i];
      return total;
    };
    sum[g] = add_own(__shfl_xor_sync(0xffffffffu, add_own(0.0f), kHalf));
    if (kMean) sum[g] *= 1.0f / (2 * kWidth);
  }
  if (!narrow || piece < kHalf) return;
  const int group = (piece - kHalf) * kHeld;
  auto* to = reinterpret_cast<std::uint32_t*>(narrow + narrow_offset(row, group / 8)) + group % 8 / 2;
#pragma unroll
  for (int g = 0; g < kHeld; g += 2) to[g / 2] = pack_pair<bfloat16>(sum[g], sum[g + 1]);
}

/// Whether store_even_groups serves that many dimensions.
__device__ inline bool has_even_groups(int dim) { return dim == 128 || dim == 64; }

/// Sum (or mean) over one group of any number of dimensions; at(j): the value of dimension j.
template <bool kMean, class At>
__device__ float sum_group(int dim, int group, const At& at) {
  const patterns::detail::VarianceGroups groups(dim);
  const int size = groups.size(group);
  float sum = 0.0f;
#pragma unroll 1
  for (int i = 0; i < size; ++i) sum += at(groups.at(group, i));
  return kMean && size > 0 ? sum / static_cast<float>(size) : sum;
}

/// One group's sum in the narrow part of an operand.
__device__ inline std::uint16_t& narrow_element(std::uint8_t* narrow, std::uint32_t row, int group) {
  return reinterpret_cast<std::uint16_t*>(narrow + narrow_offset(row, group / 8))[group % 8];
}

}  // namespace halftone::cuda::selection
