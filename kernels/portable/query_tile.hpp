// The state of one query tile in team scratch memory, and the steps of streaming attention on it.
// Everything is stored transposed, queries along the contiguous axis: the row-wise steps of the softmax then run over
// vector lanes (CPU) or threads (GPU) without any reduction across them.
#pragma once

#include <cmath>
#include <cstdint>

#include "halftone/core/kokkos_compat.hpp"
#include "halftone/core/pack.hpp"
#include "halftone/kernels/portable/tile_product.hpp"

namespace halftone::portable {

/// Keys per step.
inline constexpr int kKeys = 64;
/// Head dims up to this are served.
inline constexpr int kMaxDim = 256;

/// Views into scratch memory; `queries` is a multiple of kMicroColumns and kPackWidth, `dim` one of kMicroRows.
struct QueryTile {
  int queries = 0, dim = 0;
  float* q = nullptr;      ///< [dim][queries] queries times the scale
  float* o = nullptr;      ///< [dim][queries] output, not yet divided by the sum
  float* s = nullptr;      ///< [kKeys][queries] scores, then their exponentials
  float* rows = nullptr;   ///< [kKeys][dim] keys, then values, of the current step
  float* maximum = nullptr;  ///< [queries]
  float* sum = nullptr;      ///< [queries]
  float* far = nullptr;      ///< [queries] the landmarks' part of sum

  static constexpr int kAlign = 64;

  KOKKOS_INLINE_FUNCTION static std::size_t bytes(int queries, int dim) {
    return sizeof(float) * static_cast<std::size_t>(2 * dim * queries + kKeys * queries + kKeys * dim + 3 * queries) +
           kAlign;
  }

  KOKKOS_INLINE_FUNCTION QueryTile(void* scratch, int n_queries, int n_dim) : queries(n_queries), dim(n_dim) {
    const auto address = (reinterpret_cast<std::uintptr_t>(scratch) + kAlign - 1) / kAlign * kAlign;
    q = reinterpret_cast<float*>(address);
    o = q + dim * queries;
    s = o + dim * queries;
    rows = s + kKeys * queries;
    maximum = rows + kKeys * dim;
    sum = maximum + queries;
    far = sum + queries;
  }
};

/// Loads `count` rows of `dim` elements into dst[row][tile.dim] as float, zero beyond `count` and `dim`.
template <class T, class Member>
KOKKOS_INLINE_FUNCTION void load_rows(const Member& member, const QueryTile& tile, const T* source,
                                      std::int64_t stride, int count, int dim) {
  const int lanes = is_host_space<typename Member::execution_space> ? tile.dim : 1;
  Kokkos::parallel_for(Kokkos::TeamThreadRange(member, kKeys * (tile.dim / lanes)), [&](const int i) {
    const int row = i / (tile.dim / lanes), begin = i % (tile.dim / lanes) * lanes;
    const T* from = source + row * stride;
    float* to = tile.rows + row * tile.dim;
    const int filled = row < count ? dim : 0;
    int d = begin;
    for (; d < filled && d < begin + lanes; ++d) to[d] = static_cast<float>(from[d]);
    for (; d < begin + lanes; ++d) to[d] = 0.0f;
  });
  member.team_barrier();
}

/// Loads the queries, transposed and scaled, and resets the running sums; `sink` is the head's extra logit or null.
template <class T, class Member>
KOKKOS_INLINE_FUNCTION void start_tile(const Member& member, const QueryTile& tile, const T* source,
                                       std::int64_t stride, int count, int dim, float scale, const float* sink) {
  constexpr int kPatch = 16;  // small square patches keep both sides of the transposition in cache
  const int patches = (tile.queries + kPatch - 1) / kPatch;
  Kokkos::parallel_for(Kokkos::TeamThreadRange(member, patches * ((tile.dim + kPatch - 1) / kPatch)), [&](const int p) {
    const int i0 = p % patches * kPatch, d0 = p / patches * kPatch;
    for (int d = d0; d < d0 + kPatch && d < tile.dim; ++d)
      for (int i = i0; i < i0 + kPatch && i < tile.queries; ++i) {
        tile.q[d * tile.queries + i] = i < count && d < dim ? static_cast<float>(source[i * stride + d]) * scale : 0.0f;
        tile.o[d * tile.queries + i] = 0.0f;
      }
  });
  Kokkos::parallel_for(Kokkos::TeamThreadRange(member, tile.queries), [&](const int i) {
    tile.maximum[i] = sink ? *sink : -INFINITY;
    tile.sum[i] = sink && *sink > -INFINITY ? 1.0f : 0.0f;
    tile.far[i] = 0.0f;
  });
  member.team_barrier();
}

/// tile.s = keys (in tile.rows) times queries.
template <class Member>
KOKKOS_INLINE_FUNCTION void score_rows(const Member& member, const QueryTile& tile) {
  tile_product<false>(member, kKeys, tile.queries, tile.dim, tile.rows, tile.dim, 1, tile.q, tile.queries, tile.s,
                      tile.queries);
  member.team_barrier();
}

/// Sets tile.s to -inf where `allowed(query in tile, key in step)` is false.
template <class Member, class Allowed>
KOKKOS_INLINE_FUNCTION void mask_scores(const Member& member, const QueryTile& tile, const Allowed& allowed) {
  Kokkos::parallel_for(Kokkos::TeamThreadRange(member, kKeys * tile.queries), [&](const int at) {
    if (!allowed(at % tile.queries, at / tile.queries)) tile.s[at] = -INFINITY;
  });
  member.team_barrier();
}

/// The online softmax: moves the running maximum, turns scores into exponentials, rescales sums and output.
template <class Member>
KOKKOS_INLINE_FUNCTION void update_softmax(const Member& member, const QueryTile& tile, bool far) {
  Kokkos::parallel_for(Kokkos::TeamThreadRange(member, tile.queries / kPackWidth), [&](const int chunk) {
    const int at = chunk * kPackWidth, ld = tile.queries;
    float* s = tile.s + at;
    const Pack before = load_pack(tile.maximum + at);
    Pack after = before;
    for (int k = 0; k < kKeys; ++k) after = max(load_pack(s + k * ld), after);
    const Pack base = after > -INFINITY ? after : broadcast(0.0f);  // nothing allowed yet: exp(-inf - 0) = 0
    Pack sum = broadcast(0.0f);
    for (int k = 0; k < kKeys; ++k) {
      const Pack e = exp(load_pack(s + k * ld) - base);
      store_pack(s + k * ld, e);
      sum += e;
    }
    const Pack shrink = exp(before - base);
    store_pack(tile.maximum + at, after);
    store_pack(tile.sum + at, load_pack(tile.sum + at) * shrink + sum);
    store_pack(tile.far + at, load_pack(tile.far + at) * shrink + (far ? sum : broadcast(0.0f)));
    for (int d = 0; d < tile.dim; ++d) {
      float* o = tile.o + d * ld + at;
      store_pack(o, load_pack(o) * shrink);
    }
  });
  member.team_barrier();
}

/// tile.o += values (in tile.rows), weighted by tile.s.
template <class Member>
KOKKOS_INLINE_FUNCTION void accumulate_values(const Member& member, const QueryTile& tile) {
  tile_product<true>(member, tile.dim, tile.queries, kKeys, tile.rows, 1, tile.dim, tile.s, tile.queries, tile.o,
                     tile.queries);
  member.team_barrier();
}

}  // namespace halftone::portable
