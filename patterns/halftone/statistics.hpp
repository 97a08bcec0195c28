// Statistics of the keys, once per key-value head: mean and grouped variance of every micro-block.
#pragma once

#include "halftone/core/block_mask.hpp"
#include "halftone/core/tensor.hpp"
#include "halftone/patterns/halftone/halftone.hpp"

namespace halftone::patterns::detail {

/// Key blocks whose statistics lie side by side, so that kernels run over blocks contiguously. A GPU's warp; on CPUs
/// more than 16, up to which GCC unrolls loops instead of vectorising them.
inline constexpr int kPanel = 32;

/// Stands for the log of zero keys: vanishes beside any real logit, yet differences of it stay finite.
inline constexpr float kNoKeys = -1e30f;

/// Mean and variance of micro-block m (of `micro` per block) of the kPanel blocks of a panel, lane by lane.
struct KeyStatistics {
  Array<float> moments;    ///< [batch, heads_kv, panels, micro, dim + kVarianceGroups, kPanel]: means, then variances
  Array<float> log_count;  ///< [batch, panels, micro, kPanel] log of the keys in the micro-block; kNoKeys: none
  std::int64_t heads_kv = 0, dim = 0;
  std::int32_t panels = 0, micro = 0;

  /// Offset in `moments` of [dim + kVarianceGroups, kPanel]; the variances follow dim * kPanel later.
  HALFTONE_FUNCTION std::int64_t moments_at(std::int64_t b, std::int64_t head_kv, std::int64_t panel,
                                            std::int64_t m) const {
    return (((b * heads_kv + head_kv) * panels + panel) * micro + m) * (dim + kVarianceGroups) * kPanel;
  }
  /// Offset in `log_count` of [kPanel].
  HALFTONE_FUNCTION std::int64_t log_count_at(std::int64_t b, std::int64_t panel, std::int64_t m) const {
    return ((b * panels + panel) * micro + m) * kPanel;
  }
};

/// Of options.micro_block keys, by options.moments. Reads every key once. The variance is that of the keys there are
/// (divided by their number, no correction), averaged over each of the VarianceGroups; a ragged micro-block counts its
/// real keys. Both are rounded to bfloat16. `k` is [batch, heads_kv, seq_k, dim], or packed [1, heads_kv, total, dim].
/// Control::shuffled_variances permutes the variances of each head's whole micro-blocks by (options.seed, stream).
KeyStatistics key_statistics(const Tensor& k, const MaskGeometry& geometry, const HalftoneOptions& options,
                             std::uint64_t stream = 0);

}  // namespace halftone::patterns::detail
