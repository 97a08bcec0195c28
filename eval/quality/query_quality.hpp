// What sparse attention does to the output of every single query, and whether the error indicator knows.
#pragma once

#include <array>
#include <vector>

#include "halftone/kernels/attention.hpp"

namespace halftone::eval {

/// One entry per query, [batch, heads, seq].
struct QueryQuality {
  std::vector<float> error;      ///< ||o - o_dense|| / ||o_dense||; 0 when both are zero
  std::vector<float> cosine;     ///< of o and o_dense; 1 when both are zero
  std::vector<float> lse_error;  ///< |lse - lse_dense| in nats; 0 for queries that see nothing
  std::vector<float> missed;     ///< share of the dense softmax outside the kept blocks (1 - captured_mass)
  std::vector<float> far_mass;   ///< share of the sparse softmax on landmarks, the error indicator; 0 without any
};

/// Of two results of one shape and element type.
QueryQuality compare_queries(const AttentionResult& sparse, const AttentionResult& dense);

/// Mean over batch and queries, per head, of values [batch, heads, seq] of tensors of this shape.
std::vector<double> mean_per_head(const std::vector<float>& values, const Tensor::Shape& shape);

/// Of sparse.far_mass; zeros without landmarks.
std::vector<double> far_mass_per_head(const AttentionResult& sparse);

/// The queries that rest on landmarks, sorted into bins by far_mass, with what was wrong with them in truth. Sums.
struct Indicator {
  static constexpr std::array<double, 7> kFrom{0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3};  ///< lower ends of the bins

  std::array<double, kFrom.size()> queries{}, error{}, missed{};

  /// Queries without far mass are not counted.
  void add(const QueryQuality& quality);
};

}  // namespace halftone::eval
