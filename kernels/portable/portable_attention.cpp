#include "halftone/kernels/portable/portable_attention.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "halftone/kernels/portable/query_tile.hpp"

namespace halftone::portable {
namespace {

using Policy = Kokkos::TeamPolicy<ExecSpace, Kokkos::Schedule<Kokkos::Dynamic>>;
using Member = Policy::member_type;

constexpr int kTeamSize = is_host_space<ExecSpace> ? 1 : 128;
constexpr int kUnmaskedBlockQ = 128;

constexpr int round_up(int n, int multiple) { return (n + multiple - 1) / multiple * multiple; }

/// How many queries a team holds at most, and the level of its scratch memory: on CPUs what the second-level cache
/// takes; on GPUs what shared memory takes, or, where that is less than eight queries, 64 in device memory.
struct TeamShape {
  int queries, level;

  static TeamShape for_dim(int padded_dim) {
    if (is_host_space<ExecSpace>) return {128, 1};
    const auto shared = static_cast<std::size_t>(Policy::scratch_size_max(0));
    for (int queries = 64; queries >= 8; queries -= 8)
      if (QueryTile::bytes(queries, padded_dim) <= shared) return {queries, 0};
    return {64, 1};
  }
};

template <class T>
struct AttentionFunctor {
  AttentionParams p;
  int block_q;      // queries per mask tile
  int tiles;        // mask tiles per (batch, head)
  int parts;        // teams per mask tile
  int part_q;       // queries per team
  int padded_q, padded_dim;
  int level;  // of the scratch memory

  explicit AttentionFunctor(const AttentionParams& params) : p(params) {
    block_q = p.mask.row_ptr ? p.mask.block_q : p.landmarks.key ? p.landmarks.block_q : kUnmaskedBlockQ;
    tiles = static_cast<int>((p.seq_q + block_q - 1) / block_q);
    padded_dim = round_up(p.dim, kMicroRows);
    const std::int64_t longest = std::min<std::int64_t>(block_q, p.seq_q);
    const TeamShape team = TeamShape::for_dim(padded_dim);
    level = team.level;
    part_q = static_cast<int>(std::min<std::int64_t>(longest, team.queries));
    parts = static_cast<int>((longest + part_q - 1) / part_q);
    padded_q = round_up(part_q, kMicroColumns);
  }

  KOKKOS_INLINE_FUNCTION std::size_t scratch_bytes() const { return QueryTile::bytes(padded_q, padded_dim); }
  int league_size() const { return p.batch * p.heads_q * tiles * parts; }

  /// One team's place: which queries of which sequence and head.
  struct Place {
    std::int64_t b, head, head_kv, tile, first;
    int count;
    SequenceExtent extent;

    KOKKOS_INLINE_FUNCTION std::int64_t diagonal(std::int64_t query) const {
      return query + extent.len_k - extent.len_q;
    }
  };

  KOKKOS_INLINE_FUNCTION Place place(int rank) const {
    Place at;
    const int per_head = tiles * parts, place_in_head = per_head - 1 - rank % per_head;  // causal: longest rows first
    at.b = rank / per_head / p.heads_q;
    at.head = rank / per_head % p.heads_q;
    at.head_kv = at.head / (p.heads_q / p.heads_kv);
    at.tile = place_in_head / parts;
    at.first = at.tile * block_q + static_cast<std::int64_t>(place_in_head % parts) * part_q;
    at.extent = sequence_extent(p, at.b);
    const std::int64_t end = at.extent.len_q < (at.tile + 1) * block_q ? at.extent.len_q : (at.tile + 1) * block_q;
    at.count = static_cast<int>(end - at.first < part_q ? end - at.first : part_q);
    return at;
  }

  KOKKOS_INLINE_FUNCTION void operator()(const Member& member) const {
    const Place at = place(member.league_rank());
    if (at.count <= 0) return;
    const QueryTile tile(member.team_scratch(level).get_shmem(scratch_bytes()), padded_q, padded_dim);
    const T* q = static_cast<const T*>(p.q) + row_offset(p, p.q_stride, at.b, at.head, at.extent.begin_q);
    start_tile(member, tile, q + at.first * p.q_stride.seq, p.q_stride.seq, at.count, p.dim, p.scale,
               p.sink ? p.sink + at.head : nullptr);
    attend_keys(member, tile, at);
    if (p.landmarks.key) attend_landmarks(member, tile, at);
    finish(member, tile, at);
  }

  KOKKOS_INLINE_FUNCTION void attend_keys(const Member& member, const QueryTile& tile, const Place& at) const {
    const std::int64_t last = at.diagonal(at.first + at.count - 1) + 1;
    const std::int64_t visible = p.causal && last < at.extent.len_k ? last : at.extent.len_k;
    if (!p.mask.row_ptr) {
      for (std::int64_t key = 0; key < visible; key += kKeys) attend_step(member, tile, at, key, -1);
      return;
    }
    const std::int64_t row = p.mask.row(at.b, at.head, p.heads_q, at.tile);
    for (std::int64_t entry = p.mask.row_ptr[row]; entry < p.mask.row_ptr[row + 1]; ++entry) {
      const std::int64_t begin = std::int64_t{p.mask.col_idx[entry]} * p.mask.block_k;
      const std::int64_t end = begin + p.mask.block_k < visible ? begin + p.mask.block_k : visible;
      for (std::int64_t key = begin; key < end; key += kKeys) attend_step(member, tile, at, key, entry);
    }
  }

  /// kKeys keys from `key` on; `entry` is the mask entry they belong to, or -1.
  KOKKOS_INLINE_FUNCTION void attend_step(const Member& member, const QueryTile& tile, const Place& at,
                                          std::int64_t key, std::int64_t entry) const {
    const SequenceExtent& e = at.extent;
    const int count = static_cast<int>(e.len_k - key < kKeys ? e.len_k - key : kKeys);
    const T* k = static_cast<const T*>(p.k) + row_offset(p, p.k_stride, at.b, at.head_kv, e.begin_k);
    const T* v = static_cast<const T*>(p.v) + row_offset(p, p.v_stride, at.b, at.head_kv, e.begin_k);
    load_rows(member, tile, k + key * p.k_stride.seq, p.k_stride.seq, count, p.dim);
    score_rows(member, tile);
    const bool crosses_diagonal = p.causal && key + kKeys - 1 > at.diagonal(at.first);
    const bool ruled = entry >= 0 && p.mask.kind[entry] != kBlockFull;
    if (count < kKeys || crosses_diagonal || ruled)
      mask_scores(member, tile, [&](int i, int j) {
        const std::int64_t query = at.first + i;
        return j < count && (!p.causal || key + j <= at.diagonal(query)) &&
               (!ruled || p.mask.allows(entry, query, key + j, e.len_q, e.len_k));
      });
    update_softmax(member, tile, false);
    load_rows(member, tile, v + key * p.v_stride.seq, p.v_stride.seq, count, p.dim);
    accumulate_values(member, tile);
  }

  KOKKOS_INLINE_FUNCTION void attend_landmarks(const Member& member, const QueryTile& tile, const Place& at) const {
    const LandmarkView& l = p.landmarks;
    const float* bias = l.bias + ((at.b * p.heads_q + at.head) * l.tiles + at.tile) * l.blocks;
    const std::int64_t offset = (at.b * p.heads_kv + at.head_kv) * l.blocks * p.dim;
    for (int first = 0; first < l.blocks; first += kKeys) {
      const int count = l.blocks - first < kKeys ? l.blocks - first : kKeys;
      bool any = false;
      for (int c = first; c < first + count; ++c) any = any || bias[c] > -INFINITY;
      if (!any) continue;
      const std::int64_t from = offset + std::int64_t{first} * p.dim;
      load_rows(member, tile, static_cast<const T*>(l.key) + from, p.dim, count, p.dim);
      score_rows(member, tile);
      Kokkos::parallel_for(Kokkos::TeamThreadRange(member, kKeys * tile.queries), [&](const int i) {
        const int c = i / tile.queries;
        tile.s[i] = c < count ? tile.s[i] + bias[first + c] : -INFINITY;
      });
      member.team_barrier();
      update_softmax(member, tile, true);
      load_rows(member, tile, static_cast<const T*>(l.value) + from, p.dim, count, p.dim);
      accumulate_values(member, tile);
    }
  }

  KOKKOS_INLINE_FUNCTION void finish(const Member& member, const QueryTile& tile, const Place& at) const {
    T* o = static_cast<T*>(p.o) + row_offset(p, p.o_stride, at.b, at.head, at.extent.begin_q) +
           at.first * p.o_stride.seq;
    Kokkos::parallel_for(Kokkos::TeamThreadRange(member, at.count), [&](const int i) {
      const float sum = tile.sum[i], inverse = sum == 0.0f ? 0.0f : 1.0f / sum;
      for (int d = 0; d < p.dim; ++d) o[i * p.o_stride.seq + d] = T(tile.o[d * tile.queries + i] * inverse);
      const std::int64_t index = lse_index(p, at.b, at.head, at.extent.begin_q, at.first + i);
      if (p.lse) p.lse[index] = sum == 0.0f ? -INFINITY : tile.maximum[i] + logf(sum);
      if (p.far_mass) p.far_mass[index] = tile.far[i] * inverse;
    });
  }
};

}  // namespace

void attention(const ExecSpace& space, const AttentionParams& params) {
  dispatch_dtype(params.dtype, [&](auto element) {
    const AttentionFunctor<decltype(element)> functor(params);
    Policy policy(space, functor.league_size(), kTeamSize);
    policy.set_scratch_size(functor.level, Kokkos::PerTeam(functor.scratch_bytes()));
    Kokkos::parallel_for("halftone::kernels::portable_attention", policy, functor);
  });
}

std::string refusal(const AttentionParams& params) {
  if (params.dim > kMaxDim) return fmt::format("head dim {} is above {}", params.dim, kMaxDim);
  return "";
}

}  // namespace halftone::portable
