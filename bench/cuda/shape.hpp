// The sizes of an attention problem; no CUDA.
#pragma once

#include <algorithm>
#include <cstdint>

#include "halftone/core/dtype.hpp"

namespace halftone::bench {

struct Shape {
  DType dtype = DType::bfloat16;
  int dim = 128;
  std::int64_t seq = 0;
  int batch = 1, heads = 16, heads_kv = 16;

  /// 16,384 tokens in all, or one longer sequence; 16 heads: as in the FlashAttention-3 paper.
  static Shape of_paper(DType dtype, int dim, std::int64_t seq) {
    return {dtype, dim, seq, static_cast<int>(std::max<std::int64_t>(1, 16384 / seq)), 16, 16};
  }
  bool operator==(const Shape&) const = default;
};

}  // namespace halftone::bench
