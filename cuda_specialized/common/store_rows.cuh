// Writing finished rows from registers (layout: softmax.cuh). Rows past the sequence's end and columns past the head
// dim stay untouched.
#pragma once

#include "halftone/cuda_specialized/common/row_place.cuh"
#include "halftone/cuda_specialized/common/softmax.cuh"

namespace halftone::cuda {

/// Writes what the request asks for of the sums over row `query`.
__device__ inline void store_sums(const AttentionParams& p, const RowPlace& at, std::int32_t query, float lse,
                                  float far_mass) {
  if (threadIdx.x % 4 != 0 || query >= at.len_q) return;
  const std::int64_t index = lse_index(p, at.b, at.head, at.begin_q, query);
  if (p.lse) p.lse[index] = lse;
  if (p.far_mass) p.far_mass[index] = far_mass;
}

/// Writes the accumulated output of rows `query` and query + 8, times factor[0] and factor[1].
template <class Element, int kCount>
__device__ inline void store_output(const AttentionParams& p, const RowPlace& at, std::int32_t query,
                                    const float (&o)[kCount], const float (&factor)[2]) {
  auto* base = static_cast<std::uint16_t*>(p.o) + row_offset(p, p.o_stride, at.b, at.head, at.begin_q);
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    if (query + 8 * r >= at.len_q) continue;
    std::uint16_t* row = base + (query + 8 * r) * p.o_stride.seq;
#pragma unroll
    for (int j = 0; j < kCount / 4; ++j) {
      const int column = j * 8 + static_cast<int>(threadIdx.x) % 4 * 2;
      const std::uint32_t pair = pack_pair<Element>(o[j * 4 + r * 2] * factor[r], o[j * 4 + r * 2 + 1] * factor[r]);
      if (column + 1 < p.dim) *reinterpret_cast<std::uint32_t*>(row + column) = pair;
    }
  }
}

}  // namespace halftone::cuda
