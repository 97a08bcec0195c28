// Eight 16-bit elements at a time.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <type_traits>

#include "halftone/core/dtype.hpp"
#include "halftone/cuda_specialized/common/softmax.cuh"

namespace halftone::cuda::selection {

template <class Element>
__device__ inline void unpack(const uint4& packed, float (&x)[8]) {
  const std::uint32_t words[4] = {packed.x, packed.y, packed.z, packed.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if constexpr (std::is_same_v<Element, bfloat16>) {
      x[2 * i] = __uint_as_float(words[i] << 16);
      x[2 * i + 1] = __uint_as_float(words[i] & 0xffff0000u);
    } else {
      __half2 pair;
      memcpy(&pair, &words[i], sizeof pair);
      const float2 both = __half22float2(pair);
      x[2 * i] = both.x;
      x[2 * i + 1] = both.y;
    }
  }
}

template <class Element>
__device__ inline uint4 pack(const float (&x)[8]) {
  return {pack_pair<Element>(x[0], x[1]), pack_pair<Element>(x[2], x[3]), pack_pair<Element>(x[4], x[5]),
          pack_pair<Element>(x[6], x[7])};
}

}  // namespace halftone::cuda::selection
