// How close sparse attention comes to dense attention, computed where the tensors are.
#pragma once

#include <cmath>
#include <vector>

#include "halftone/core/block_mask.hpp"
#include "halftone/core/tensor.hpp"
#include "halftone/kernels/attention.hpp"

namespace halftone::eval {

/// Squared norms of ||O - O_ref|| and ||O_ref||, which add up over heads and layers.
struct SquaredError {
  double difference = 0.0, reference = 0.0;

  SquaredError& operator+=(const SquaredError& other);
  /// ||O - O_ref|| / ||O_ref||; 0 when both are zero.
  double relative() const;
};

/// One entry per query head. o and reference: [batch, heads, seq, dim] of one type.
std::vector<SquaredError> squared_errors(const Tensor& o, const Tensor& reference);

/// Share of a query's dense softmax that falls in kept blocks. No pass over pairs: the ratio of the softmax
/// denominators, exp(lse - lse_dense), times 1 - far_mass (what landmarks contributed to the sparse one). A query that
/// sees nothing counts as captured.
KOKKOS_INLINE_FUNCTION double captured_share(float lse, float dense_lse, float far_mass) {
  if (dense_lse == -INFINITY) return 1.0;
  const double kept = std::exp(double(lse) - double(dense_lse)) * (1.0 - double(far_mass));
  return kept < 1.0 ? kept : 1.0;  // rounding
}

/// captured_share per query head, mean over queries and batch.
std::vector<double> captured_mass(const AttentionResult& sparse, const AttentionResult& dense);

/// Mean over queries and heads; 0 without landmarks.
double mean_far_mass(const AttentionResult& sparse);

/// Share of each query tile's dense softmax that falls in each key block, for one sequence and head:
/// [tiles, blocks], every row adding up to 1, NaN where nothing is visible. `lse`: of dense attention, as in
/// AttentionResult. Of a packed batch only the first sequence, with its geometry by itself.
std::vector<float> block_mass(const Tensor& q, const Tensor& k, const Array<float>& lse, const MaskGeometry& geometry,
                              float scale, int batch, int head);

}  // namespace halftone::eval
