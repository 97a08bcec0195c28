#include "halftone/capi/request.hpp"

#include <cmath>

namespace halftone::capi {
namespace {

TensorStrides strides(const halftone_strides& s) { return {s.batch, s.head, s.seq}; }

DType element_type(std::int32_t dtype) {
  switch (dtype) {
    case HALFTONE_FLOAT32: return DType::float32;
    case HALFTONE_FLOAT16: return DType::float16;
    case HALFTONE_BFLOAT16: return DType::bfloat16;
  }
  throw InvalidArgument("dtype", std::to_string(dtype),
                        "0 (HALFTONE_FLOAT32), 1 (HALFTONE_FLOAT16) or 2 (HALFTONE_BFLOAT16)");
}

std::int32_t or_default(std::int32_t value, std::int32_t fallback) { return value == 0 ? fallback : value; }
std::int32_t or_none(std::int32_t value) { return value < 0 ? 0 : value; }

// What both selections can be told.
template <class Options>
Options options(const halftone_selection& s) {
  Options o;
  o.micro_block = or_default(s.micro_block, o.micro_block);
  o.representatives = or_default(s.representatives, o.representatives);
  o.sink_blocks = or_none(or_default(s.sink_blocks, o.sink_blocks));
  o.local_blocks = or_none(or_default(s.local_blocks, o.local_blocks));
  o.tolerance = s.tolerance;
  o.density = s.density;
  o.landmarks = s.landmarks != 0;
  o.shared_lists = s.shared_lists != 0;
  return o;
}

}  // namespace

halftone_selection read_selection(const halftone_selection* given) {
  const halftone_selection s = read_struct(given, "selection", {offsetof(halftone_selection, shared_lists)});
  if (s.reserved != 0) throw InvalidArgument("selection reserved", std::to_string(s.reserved), "0");
  return s;
}

AttentionParams attention_params(const halftone_request& r) {
  AttentionParams p;
  p.q = r.q;
  p.k = r.k;
  p.v = r.v;
  p.o = r.o;
  p.lse = r.lse;
  p.far_mass = r.far_mass;
  p.sink = r.sink;
  p.q_stride = strides(r.q_stride);
  p.k_stride = strides(r.k_stride);
  p.v_stride = strides(r.v_stride);
  p.o_stride = strides(r.o_stride);
  p.cu_seqlens_q = r.cu_seqlens_q;
  p.cu_seqlens_k = r.cu_seqlens_k;
  p.total_q = r.total_q;
  p.total_k = r.total_k;
  p.seq_q = r.seq_q;
  p.seq_k = r.seq_k;
  p.batch = r.batch;
  p.heads_q = r.heads_q;
  p.heads_kv = r.heads_kv;
  p.dim = r.dim;
  p.dtype = element_type(r.dtype);
  p.causal = r.causal != 0;
  p.scale = r.scale != 0.0f ? r.scale : 1.0f / std::sqrt(static_cast<float>(r.dim > 0 ? r.dim : 1));
  return p;
}

std::string_view kernel_name(const halftone_request& request) { return request.kernel ? request.kernel : "auto"; }

BlockMaskView mask_view(const halftone_block_mask& m) {
  if (!m.row_ptr || !m.col_idx || !m.kind) throw InvalidArgument("mask", "a null pointer", "row_ptr, col_idx and kind");
  BlockMaskView v;
  v.row_ptr = m.row_ptr;
  v.col_idx = m.col_idx;
  v.kind = m.kind;
  v.bits_index = m.bits_index;
  v.bits = m.bits;
  v.window_left = m.window_left;
  v.window_right = m.window_right;
  v.batch = m.batch;
  v.heads = m.heads;
  v.tiles = m.tiles;
  v.blocks = m.blocks;
  v.block_q = m.block_q;
  v.block_k = m.block_k;
  return v;
}

halftone_block_mask mask_struct(const BlockMaskView& v, std::int64_t kept) {
  halftone_block_mask m{};
  m.size = sizeof m;
  m.row_ptr = v.row_ptr;
  m.col_idx = v.col_idx;
  m.kind = v.kind;
  m.kept = kept;
  m.batch = v.batch;
  m.heads = v.heads;
  m.tiles = v.tiles;
  m.blocks = v.blocks;
  m.block_q = v.block_q;
  m.block_k = v.block_k;
  return m;
}

cuda::selection::SelectionOptions device_options(const halftone_selection& s) {
  auto o = options<cuda::selection::SelectionOptions>(s);
  o.block_k = block_keys(s);
  o.head_weight = s.head_weight;
  o.gate = s.gate;
  return o;
}

patterns::HalftoneOptions host_options(const halftone_selection& s) { return options<patterns::HalftoneOptions>(s); }

std::int32_t block_keys(const halftone_selection& selection) { return or_default(selection.block_k, 64); }

void require_workspace(const halftone_request& r, std::size_t needed) {
  if (needed == 0) return;
  if (!r.workspace || r.workspace_bytes < needed || reinterpret_cast<std::uintptr_t>(r.workspace) % 256)
    throw InvalidArgument("workspace", std::to_string(r.workspace ? r.workspace_bytes : 0) + " bytes",
                          "at least " + std::to_string(needed) + " at a multiple of 256");
}

}  // namespace halftone::capi
