#include "halftone/kernels/halftone_attention.hpp"

#include "halftone/kernels/halftone_selection.hpp"
#include "halftone/kernels/sequences.hpp"

namespace halftone {

HalftoneAttentionResult attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                  const HalftoneAttentionOptions& options) {
  const Sequences sequences = describe_sequences(q, k, options.cu_seqlens_q, options.cu_seqlens_k);
  MaskGeometry geometry;
  geometry.batch = sequences.batch;
  geometry.heads = static_cast<std::int32_t>(q.shape[1]);
  geometry.seq_q = sequences.seq_q;
  geometry.seq_k = sequences.seq_k;
  geometry.causal = options.causal;
  geometry.cu_seqlens_q = sequences.cu_seqlens_q;
  geometry.cu_seqlens_k = sequences.cu_seqlens_k;

  const patterns::HalftoneLayer layer{&q, &k, &v, options.scale, options.head_weight, options.gate};
  const SelectionEntry& selection = choose_selection(layer, geometry, options.pattern, options.selection);
  patterns::HalftoneResult chosen = selection.run(layer, geometry, options.pattern);

  HalftoneAttentionResult result;
  result.selection = selection.name;
  result.tolerance = chosen.tolerance;
  result.density = chosen.density;
  result.mask = std::move(chosen.layers.front().mask);
  result.landmarks = std::move(chosen.layers.front().landmarks);

  AttentionOptions attend;
  attend.scale = options.scale;
  attend.causal = options.causal;
  attend.mask = &result.mask;
  attend.landmarks = result.landmarks ? &*result.landmarks : nullptr;
  attend.cu_seqlens_q = options.cu_seqlens_q;
  attend.cu_seqlens_k = options.cu_seqlens_k;
  attend.kernel = options.kernel;
  result.attention = block_sparse_attention(q, k, v, attend);
  return result;
}

}  // namespace halftone
