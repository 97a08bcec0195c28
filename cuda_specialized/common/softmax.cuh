// The online softmax of one thread's two rows in the layout that mma.sync and wgmma accumulators share.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "halftone/core/dtype.hpp"

namespace halftone::cuda {

/// Accumulator i of a warp's 16 x N product: row (i / 2 % 2) * 8 + lane / 4, column i / 4 * 8 + lane % 4 * 2 + i % 2.
__device__ constexpr int row_of(int i) { return i / 2 % 2; }

__device__ inline float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// Maximum or sum over the four threads that share a row.
__device__ inline float quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}
__device__ inline float quad_sum(float x) {
  x += __shfl_xor_sync(0xffffffffu, x, 1);
  return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

template <class Element>
__device__ inline std::uint32_t pack_pair(float low, float high) {
  std::uint32_t pair;
  if constexpr (std::is_same_v<Element, bfloat16>)
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  else
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

/// Scores are kept unscaled; weights are 2^(scale_log2 (s - maximum)). The reference point `maximum` follows the true
/// maximum only when that has grown by more than 2^kSlack: until then weights up to 2^kSlack arise, which float32 sums
/// and 16-bit weights hold as precisely, and the output need not be rescaled (the division by the sum makes up for any
/// reference point).
template <bool kLandmarks>
struct Softmax {
  static constexpr float kSlack = 8.0f;

  float scale_log2 = 0.0f;
  float maximum[2] = {-INFINITY, -INFINITY};
  float sum[2] = {0.0f, 0.0f};  ///< this thread's columns only, until finish()
  float far[2] = {0.0f, 0.0f};

  Softmax() = default;
  __device__ explicit Softmax(float scale) : scale_log2(scale) {}
  __device__ void restart() { *this = Softmax(scale_log2); }

  /// Scores become weights. True, with the factors to apply to earlier output, when this warp's reference points moved.
  template <int kCount>
  __device__ bool update(float (&s)[kCount], bool landmarks, float (&shrink)[2]) {
    float top[2] = {-INFINITY, -INFINITY};
#pragma unroll
    for (int i = 0; i < kCount; ++i) top[row_of(i)] = fmaxf(top[row_of(i)], s[i]);
    bool moves = false;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      top[r] = quad_max(top[r]);
      moves |= (top[r] - maximum[r]) * scale_log2 > kSlack;  // -inf - -inf: NaN, does not move
    }
    const bool moved = __any_sync(0xffffffffu, moves);
    if (moved) {
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const float next = fmaxf(top[r], maximum[r]);
        shrink[r] = maximum[r] == -INFINITY ? 0.0f : exp2_fast((maximum[r] - next) * scale_log2);
        maximum[r] = next;
        sum[r] *= shrink[r];
        if constexpr (kLandmarks) far[r] *= shrink[r];
      }
    }
    float offset[2], part[2] = {0.0f, 0.0f};
#pragma unroll
    for (int r = 0; r < 2; ++r) offset[r] = maximum[r] == -INFINITY ? 0.0f : maximum[r] * scale_log2;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      s[i] = exp2_fast(fmaf(s[i], scale_log2, -offset[row_of(i)]));
      part[row_of(i)] += s[i];
    }
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      sum[r] += part[r];
      if constexpr (kLandmarks)
        if (landmarks) far[r] += part[r];
    }
    return moved;
  }

  /// Sums over the row, takes in the sink; returns the factor for the output, and LSE and far mass.
  __device__ float finish(int r, const float* sink, float& lse, float& far_mass) const {
    constexpr float kLn2 = 0.693147180559945f, kLog2E = 1.44269504088896f;
    float total = quad_sum(sum[r]);
    float reference = maximum[r] == -INFINITY ? 0.0f : maximum[r] * scale_log2, grow = 1.0f;
    if (sink && *sink > -INFINITY) {
      const float logit = *sink * kLog2E;
      if (total == 0.0f || logit > reference) {  // the sink becomes the reference point
        grow = total == 0.0f ? 0.0f : exp2_fast(reference - logit);
        reference = logit;
      }
      total = total * grow + exp2_fast(logit - reference);
    }
    const bool empty = total == 0.0f;
    lse = empty ? -INFINITY : (reference + __log2f(total)) * kLn2;
    far_mass = 0.0f;
    if constexpr (kLandmarks) far_mass = empty ? 0.0f : quad_sum(far[r]) * __fdividef(grow, total);
    return empty ? 0.0f : __fdividef(grow, total);
  }
};

}  // namespace halftone::cuda
