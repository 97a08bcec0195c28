// Attention on tensors: the public entry point of the kernels.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "halftone/core/block_mask.hpp"
#include "halftone/core/kernel_registry.hpp"
#include "halftone/core/landmarks.hpp"
#include "halftone/core/tensor.hpp"

namespace halftone {

/// What a call to block_sparse_attention may add to q, k and v; the defaults are dense causal attention.
struct AttentionOptions {
  float scale = 0.0f;                    ///< 0: 1 / sqrt(dim)
  bool causal = true;
  const BlockMask* mask = nullptr;       ///< null: every block
  const Landmarks* landmarks = nullptr;  ///< null: no far field
  Array<float> sink;                     ///< [heads_q] or empty
  Array<std::int32_t> cu_seqlens_q;      ///< [sequences + 1] or empty; then q is [1, heads_q, total_q, dim]
  Array<std::int32_t> cu_seqlens_k;      ///< [sequences + 1] or empty; then k, v are [1, heads_kv, total_k, dim]
  std::string_view kernel = "auto";      ///< a name from kernel_table(), or "auto"
};

struct AttentionResult {
  Tensor o;               ///< shape and element type of q
  Array<float> lse;       ///< [batch, heads_q, seq_q] natural log of the softmax denominator
  Array<float> far_mass;  ///< [batch, heads_q, seq_q] share of the softmax that landmarks received; empty without them
  std::string kernel;     ///< the kernel that ran
};

/// The kernels of this build, in order of preference.
std::span<const KernelEntry> kernel_table();

/// softmax(scale Q K^T + mask) V for tensors [batch, heads, seq, dim] of one element type; see AttentionParams for the
/// conventions (grouped heads, causal diagonal, empty rows). Throws InvalidArgument on contradictory shapes and
/// Unsupported when no kernel (or not the one named) serves the request. Returns after the work is done.
AttentionResult block_sparse_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                       const AttentionOptions& options = {});

}  // namespace halftone
