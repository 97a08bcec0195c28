// Halftone attention on tensors, in one call: choose blocks from q and k, and attend to them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "halftone/core/block_mask.hpp"
#include "halftone/core/landmarks.hpp"
#include "halftone/core/tensor.hpp"
#include "halftone/kernels/attention.hpp"
#include "halftone/patterns/halftone/halftone.hpp"

namespace halftone {

/// Settings of attention().
struct HalftoneAttentionOptions {
  patterns::HalftoneOptions pattern;  ///< a tolerance or a density, and how blocks are scored
  float scale = 0.0f;                 ///< 0: 1 / sqrt(dim)
  bool causal = true;
  std::vector<float> head_weight;    ///< [heads_q] output weight of each head; empty: 1
  std::vector<bool> gate;            ///< [heads_q] landmarks on; empty: on for all with pattern.landmarks
  Array<std::int32_t> cu_seqlens_q;  ///< as in AttentionOptions
  Array<std::int32_t> cu_seqlens_k;
  std::string_view selection = "auto";  ///< a name from selection_table(), or "auto"
  std::string_view kernel = "auto";     ///< a name from kernel_table(), or "auto"
};

struct HalftoneAttentionResult {
  AttentionResult attention;           ///< o, lse, far_mass, the kernel that ran
  BlockMask mask;                      ///< the blocks that were attended to
  std::optional<Landmarks> landmarks;  ///< what stood for the others
  double tolerance = 0.0;              ///< that was applied; -1 where the density asks for every block
  double density = 0.0;                ///< reached
  std::string selection;               ///< the selection that ran
};

/// Attention over the blocks that the halftone pattern selects, for tensors [batch, heads, seq, dim] in Kokkos' memory.
/// For raw device pointers on a stream of one's own, without host synchronisation: cuda::halftone_attention. Throws as
/// patterns::select_halftone and block_sparse_attention do. Returns after the work is done.
HalftoneAttentionResult attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                  const HalftoneAttentionOptions& options);

}  // namespace halftone
