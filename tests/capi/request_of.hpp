// The library's requests as those of halftone.h.
#pragma once

#include "halftone.h"
#include "halftone/core/attention_params.hpp"

namespace halftone::testing {

inline halftone_request request_of(const AttentionParams& p, int device = HALFTONE_HOST) {
  const auto strides = [](const TensorStrides& s) { return halftone_strides{s.batch, s.head, s.seq}; };
  halftone_request r{};
  r.size = sizeof r;
  r.q = p.q;
  r.k = p.k;
  r.v = p.v;
  r.o = p.o;
  r.lse = p.lse;
  r.far_mass = p.far_mass;
  r.sink = p.sink;
  r.cu_seqlens_q = p.cu_seqlens_q;
  r.cu_seqlens_k = p.cu_seqlens_k;
  r.q_stride = strides(p.q_stride);
  r.k_stride = strides(p.k_stride);
  r.v_stride = strides(p.v_stride);
  r.o_stride = strides(p.o_stride);
  r.seq_q = p.seq_q;
  r.seq_k = p.seq_k;
  r.total_q = p.total_q;
  r.total_k = p.total_k;
  r.batch = p.batch;
  r.heads_q = p.heads_q;
  r.heads_kv = p.heads_kv;
  r.dim = p.dim;
  r.dtype = static_cast<std::int32_t>(p.dtype);
  r.device = device;
  r.causal = p.causal;
  r.scale = p.scale;
  return r;
}

/// Of a mask with `kept` blocks, `bit_blocks` of them with bits.
inline halftone_block_mask mask_of(const BlockMaskView& v, std::int64_t kept, std::int64_t bit_blocks) {
  halftone_block_mask m{};
  m.size = sizeof m;
  m.row_ptr = v.row_ptr;
  m.col_idx = v.col_idx;
  m.kind = v.kind;
  m.bits_index = v.bits_index;
  m.bits = v.bits;
  m.kept = kept;
  m.bit_blocks = bit_blocks;
  m.window_left = v.window_left;
  m.window_right = v.window_right;
  m.batch = v.batch;
  m.heads = v.heads;
  m.tiles = v.tiles;
  m.blocks = v.blocks;
  m.block_q = v.block_q;
  m.block_k = v.block_k;
  return m;
}

/// Likewise, counting in a mask in host memory.
inline halftone_block_mask mask_of(const BlockMaskView& v) {
  const std::int64_t kept = v.row_ptr[std::int64_t{v.batch} * v.heads * v.tiles];
  std::int64_t bit_blocks = 0;
  for (std::int64_t e = 0; v.bits_index && e < kept; ++e)
    if (v.bits_index[e] >= bit_blocks) bit_blocks = v.bits_index[e] + 1;
  return mask_of(v, kept, bit_blocks);
}

}  // namespace halftone::testing
