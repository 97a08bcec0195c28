// Inputs of the benchmarks: random activations and their sizes.
#pragma once

#include <cstdint>

#include "halftone/core/block_mask.hpp"
#include "halftone/core/tensor.hpp"

namespace halftone::bench {

/// One query head and one key-value head of random (normal) activations.
struct Workload {
  Tensor q, k, v;
  MaskGeometry geometry;  ///< causal, one head

  Workload(DType dtype, std::int64_t seq, int dim);
  /// Multiply-adds count two: 4 dim per (query, key) pair in `blocks` whole blocks.
  double flops(std::int64_t blocks) const;
};

/// Largest resident memory of this process so far.
double peak_memory_mib();

}  // namespace halftone::bench
