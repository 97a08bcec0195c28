// Host side of TMA: describing a tensor to the copy engine.
#pragma once

#include <cuda.h>

#include <cstdint>

#include "halftone/core/attention_params.hpp"

namespace halftone::cuda {

/// A tensor [batch, heads, rows, dim] of 16-bit elements with strides in elements.
struct TensorShape {
  const void* data;
  std::int64_t batch, heads, rows, dim;
  TensorStrides stride;
  DType dtype;
};

/// Boxes of `box_rows` rows by 64 elements, in the 128-byte swizzle that wgmma reads.
/// Throws Error when the driver rejects the tensor.
CUtensorMap make_tensor_map(const TensorShape& tensor, int box_rows);

}  // namespace halftone::cuda
