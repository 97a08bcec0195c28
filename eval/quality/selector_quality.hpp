// How well blocks were chosen, against the true attention.
#pragma once

#include <string_view>
#include <vector>

#include "halftone/core/block_mask.hpp"
#include "halftone/core/tensor.hpp"
#include "halftone/patterns/halftone/halftone.hpp"

namespace halftone::eval {

/// Of the blocks with the largest true mass (block_mass), as many in every row as the mask keeps there, the share that
/// the mask keeps; per query head of one sequence. `lse`: of dense attention over the same q and k.
std::vector<double> oracle_recall(const BlockMask& mask, const Tensor& q, const Tensor& k, const Array<float>& lse,
                                  const MaskGeometry& geometry);

/// Of estimates of a block's log-mass, in nats.
struct LogMassError {
  double bias = 0.0, rmse = 0.0;
};

/// Estimated minus true log-mass (halftone_log_mass with `options`, and without estimates), over all representatives
/// and the blocks that lie wholly in their tile's past; per query head, NaN where there is no such block. With
/// BlockMass::largest most of the bias is the other micro-blocks' mass, which the softmax over blocks cancels in part.
std::vector<LogMassError> log_mass_errors(const patterns::HalftoneLayer& layer, const MaskGeometry& geometry,
                                          const patterns::HalftoneOptions& options);

/// Entropy of dense causal attention in nats, mean over batch and queries, per query head: lse - s q . E[k], with E[k]
/// the output of attention with the keys as values, in the tensors' element type (bfloat16 rounds it by up to 2^-9 of
/// the logits' size). `kernel`: a name from kernel_table(), or "auto".
std::vector<double> attention_entropy(const Tensor& q, const Tensor& k, std::string_view kernel = "auto");

}  // namespace halftone::eval
