// The matrix product both halves of attention use, on tiles in team scratch memory.
#pragma once

#include "halftone/core/kokkos_compat.hpp"
#include "halftone/core/pack.hpp"

namespace halftone::portable {

/// Register tile of one thread: kMicroRows rows of kMicroPacks packs.
inline constexpr int kMicroRows = 4;
inline constexpr int kMicroPacks = kPackWidth == 1 || kPackWidth == 16 ? 4 : 2;
inline constexpr int kMicroColumns = kMicroPacks * kPackWidth;

/// C[m][n] (+)= sum_k A(m, k) B[k][n] for one register tile; A(m, k) = a[m * a_row + k * a_column].
template <bool kAccumulate>
KOKKOS_INLINE_FUNCTION void micro_product(int depth, const float* a, int a_row, int a_column, const float* b, int ldb,
                                          float* c, int ldc) {
  Pack sum[kMicroRows][kMicroPacks];
  for (int i = 0; i < kMicroRows; ++i)
    for (int j = 0; j < kMicroPacks; ++j)
      sum[i][j] = kAccumulate ? load_pack(c + i * ldc + j * kPackWidth) : broadcast(0.0f);
  for (int k = 0; k < depth; ++k) {
    Pack row[kMicroPacks];
    for (int j = 0; j < kMicroPacks; ++j) row[j] = load_pack(b + k * ldb + j * kPackWidth);
    for (int i = 0; i < kMicroRows; ++i) {
      const float x = a[i * a_row + k * a_column];
      for (int j = 0; j < kMicroPacks; ++j) sum[i][j] += x * row[j];
    }
  }
  for (int i = 0; i < kMicroRows; ++i)
    for (int j = 0; j < kMicroPacks; ++j) store_pack(c + i * ldc + j * kPackWidth, sum[i][j]);
}

/// C[rows][columns] (+)= A B over the threads of a team; rows a multiple of kMicroRows, columns of kMicroColumns.
template <bool kAccumulate, class Member>
KOKKOS_INLINE_FUNCTION void tile_product(const Member& member, int rows, int columns, int depth, const float* a,
                                         int a_row, int a_column, const float* b, int ldb, float* c, int ldc) {
  const int row_tiles = rows / kMicroRows, column_tiles = columns / kMicroColumns;
  Kokkos::parallel_for(Kokkos::TeamThreadRange(member, row_tiles * column_tiles), [&](const int tile) {
    const int m = tile % row_tiles * kMicroRows, n = tile / row_tiles * kMicroColumns;
    micro_product<kAccumulate>(depth, a + m * a_row, a_row, a_column, b + n, ldb, c + m * ldc + n, ldc);
  });
}

}  // namespace halftone::portable
