// How the halftone kernels walk the rows of tensors: where a head begins, and how many columns one thread takes.
#pragma once

#include <cstdint>

#include "halftone/core/kokkos_compat.hpp"
#include "halftone/core/portability.hpp"
#include "halftone/core/tensor.hpp"

namespace halftone::patterns::detail {

using Items = Kokkos::RangePolicy<ExecSpace, Kokkos::IndexType<std::int64_t>>;

/// Adjacent columns one thread takes: a vector register's worth on a CPU, one (coalesced across threads) on a GPU.
inline constexpr int kColumns = is_host_space<ExecSpace> ? 16 : 1;

HALFTONE_FUNCTION inline int column_chunks(std::int64_t dim) {
  return static_cast<int>((dim + kColumns - 1) / kColumns);
}

/// Where the rows of a contiguous tensor lie: [batch, heads, seq, dim], or packed [1, heads, total, dim].
struct RowLayout {
  std::int64_t heads, seq, dim;
  const std::int32_t* cu_seqlens;  ///< [batch + 1] starts of the packed sequences, or null

  RowLayout(const Tensor& t, const std::int32_t* starts)
      : heads(t.shape[1]), seq(t.shape[2]), dim(t.shape[3]), cu_seqlens(starts) {}

  /// Element offset of the first row of (sequence b, head).
  HALFTONE_FUNCTION std::int64_t offset(std::int64_t b, std::int64_t head) const {
    return cu_seqlens ? (head * seq + cu_seqlens[b]) * dim : (b * heads + head) * seq * dim;
  }
};

/// Means of `columns` <= kColumns adjacent columns over `count` > 0 rows that lie `dim` elements apart.
template <class T>
HALFTONE_FUNCTION inline void mean_of_rows(const T* rows, std::int64_t count, std::int64_t dim, int columns,
                                           float (&mean)[kColumns]) {
  for (int c = 0; c < columns; ++c) mean[c] = 0.0f;
  for (std::int64_t row = 0; row < count; ++row)
    for (int c = 0; c < columns; ++c) mean[c] += static_cast<float>(rows[row * dim + c]);
  const float scale = 1.0f / static_cast<float>(count);
  for (int c = 0; c < columns; ++c) mean[c] *= scale;
}

}  // namespace halftone::patterns::detail
