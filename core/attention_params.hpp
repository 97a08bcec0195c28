// The request every attention kernel serves: plain pointers, shapes and strides; no ownership, no Kokkos, no CUDA.
#pragma once

#include <cstdint>
#include <type_traits>

#include "halftone/core/block_mask_view.hpp"
#include "halftone/core/dtype.hpp"

namespace halftone {

/// Strides in elements; the head dimension is contiguous.
struct TensorStrides {
  std::int64_t batch = 0, head = 0, seq = 0;
};

/// Block summaries that stand in for blocks that were not selected (the far field), through the same softmax.
struct LandmarkView {
  const void* key = nullptr;     ///< [batch, heads_kv, blocks, dim] in the request's dtype; null: no landmarks
  const void* value = nullptr;   ///< [batch, heads_kv, blocks, dim] in the request's dtype
  const float* bias = nullptr;   ///< [batch, heads_q, tiles, blocks] added to scale q.key; -inf where it does not count
  std::int32_t blocks = 0;       ///< landmarks per head
  std::int32_t tiles = 0;        ///< query tiles per head
  std::int32_t block_q = 0;      ///< queries per tile
};

/// One forward attention call, for queries i and keys j of one sequence and head:
///   O_i = sum_j P_ij V_j,  P = softmax over the allowed keys, the landmarks and the sink of scale Q_i.K_j (+ bias).
/// Query head h reads key and value head h / (heads_q / heads_kv). With different lengths the causal diagonal ends at
/// the last query and the last key: key j is visible to query i when j <= i + len_k - len_q.
/// A query with nothing to attend gives O = 0 and LSE = -inf.
/// All pointers lie in one memory space, the one the chosen kernel runs in.
struct AttentionParams {
  const void* q = nullptr;  ///< [batch, heads_q, seq_q, dim]; packed: [heads_q, total_q, dim]
  const void* k = nullptr;  ///< [batch, heads_kv, seq_k, dim]; packed: [heads_kv, total_k, dim]
  const void* v = nullptr;  ///< [batch, heads_kv, seq_k, dim]; packed: [heads_kv, total_k, dim]
  void* o = nullptr;        ///< as q
  float* lse = nullptr;       ///< natural log of the softmax denominator, contiguous [batch, heads_q, seq_q]; packed: [heads_q, total_q]; may be null
  float* far_mass = nullptr;  ///< share of the softmax that landmarks received, shape of lse; may be null
  TensorStrides q_stride, k_stride, v_stride, o_stride;  ///< packed: batch is ignored

  const std::int32_t* cu_seqlens_q = nullptr;  ///< [batch + 1] starts of the packed sequences; null: not packed
  const std::int32_t* cu_seqlens_k = nullptr;  ///< [batch + 1]; null exactly when cu_seqlens_q is
  std::int64_t total_q = 0, total_k = 0;       ///< packed: rows of q and of k in all

  const float* sink = nullptr;  ///< [heads_q] one extra logit per head that takes part in the softmax without a value; may be null
  BlockMaskView mask;           ///< which blocks count; without row_ptr: all
  LandmarkView landmarks;       ///< far field; without key: none

  std::int64_t seq_q = 0, seq_k = 0;  ///< lengths; packed: the longest sequence's
  std::int32_t batch = 0;             ///< sequences
  std::int32_t heads_q = 0, heads_kv = 0, dim = 0;
  float scale = 0.0f;  ///< usually 1 / sqrt(dim)
  DType dtype = DType::float32;
  bool causal = false;

  HALFTONE_FUNCTION bool packed() const { return cu_seqlens_q != nullptr; }
};

static_assert(std::is_trivially_copyable_v<AttentionParams>);

/// Where one sequence of a request begins and how long it is.
struct SequenceExtent {
  std::int64_t begin_q, begin_k, len_q, len_k;
};

HALFTONE_FUNCTION inline SequenceExtent sequence_extent(const AttentionParams& p, std::int64_t b) {
  if (!p.packed()) return {0, 0, p.seq_q, p.seq_k};
  return {p.cu_seqlens_q[b], p.cu_seqlens_k[b], p.cu_seqlens_q[b + 1] - p.cu_seqlens_q[b],
          p.cu_seqlens_k[b + 1] - p.cu_seqlens_k[b]};
}

/// Element offset of the first row of (sequence b, head h) in a tensor whose rows start at `begin` for that sequence.
HALFTONE_FUNCTION inline std::int64_t row_offset(const AttentionParams& p, const TensorStrides& s, std::int64_t b,
                                                 std::int64_t h, std::int64_t begin) {
  return (p.packed() ? 0 : b * s.batch) + h * s.head + begin * s.seq;
}

/// Index of query `i` of (sequence b, head h) in lse and far_mass.
HALFTONE_FUNCTION inline std::int64_t lse_index(const AttentionParams& p, std::int64_t b, std::int64_t h,
                                                std::int64_t begin_q, std::int64_t i) {
  return p.packed() ? h * p.total_q + begin_q + i : (b * p.heads_q + h) * p.seq_q + i;
}

}  // namespace halftone
