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

/// Scores are kept unscaled; weights are 2^(scale_log2 (s - reference)), relative to a reference point per row. Any point
/// will do, since the division by the sum makes up for it, as long as weights neither overflow nor vanish: float32 sums
/// and 16-bit weights hold 2^14 as precisely as 1. So the reference is the maximum of the row's first scores, and stays
/// until a weight would exceed 2^14: the usual step needs no maximum.
template <bool kLandmarks>
struct Softmax {
  static constexpr float kLimit = 16384.0f;  ///< of a thread's sum of weights in a step; float16 ends at 65,504

  float scale_log2 = 0.0f;
  float reference[2] = {-INFINITY, -INFINITY};  ///< a score; -inf: the row has met no visible pair yet
  float sum[2] = {0.0f, 0.0f};  ///< this thread's columns only, until finish()
  float far[2] = {0.0f, 0.0f};

  Softmax() = default;
  __device__ explicit Softmax(float scale) : scale_log2(scale) {}

  /// Starts a row, whose first scores are s.
  template <int kCount>
  __device__ void begin(const float (&s)[kCount]) {
    *this = Softmax(scale_log2);
    float shrink[2];
    move_reference(s, shrink);
  }

  /// w = the scores' weights as 16-bit operands, with their sums over this thread's columns in `part`. True when the
  /// warp's reference points have to move: then these weights are to be made again by reweigh.
  template <class Element, int kCount>
  __device__ bool weigh(const float (&s)[kCount], std::uint32_t (&w)[kCount / 8][4], float (&part)[2]) const {
    exponentials<Element>(s, w, part);
    bool move = false;
#pragma unroll
    for (int r = 0; r < 2; ++r) move |= part[r] > kLimit || reference[r] == -INFINITY;
    return __any_sync(0xffffffffu, move);
  }

  /// Moves the reference points to the largest scores; earlier output o and sums are brought there, too.
  template <class Element, int kCount, int kOutputs>
  __device__ void reweigh(const float (&s)[kCount], std::uint32_t (&w)[kCount / 8][4], float (&part)[2],
                          float (&o)[kOutputs]) {
    float shrink[2];
    move_reference(s, shrink);
    exponentials<Element>(s, w, part);
#pragma unroll
    for (int i = 0; i < kOutputs; ++i) o[i] *= shrink[row_of(i)];
  }

  __device__ void add(const float (&part)[2], bool landmarks) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      sum[r] += part[r];
      if constexpr (kLandmarks)
        if (landmarks) far[r] += part[r];
    }
  }

  /// Sums over the row, takes in the sink; returns the factor for the output, and LSE and far mass.
  __device__ float finish(int r, const float* sink, float& lse, float& far_mass) const {
    constexpr float kLn2 = 0.693147180559945f, kLog2E = 1.44269504088896f;
    float total = quad_sum(sum[r]);
    float base = offset(r), grow = 1.0f;
    if (sink && *sink > -INFINITY) {
      const float logit = *sink * kLog2E;
      if (total == 0.0f || logit > base) {  // the sink becomes the reference point
        grow = total == 0.0f ? 0.0f : exp2_fast(base - logit);
        base = logit;
      }
      total = total * grow + exp2_fast(logit - base);
    }
    const bool empty = total == 0.0f;
    lse = empty ? -INFINITY : (base + __log2f(total)) * kLn2;
    far_mass = 0.0f;
    if constexpr (kLandmarks) {
      const float mass = quad_sum(far[r]);  // by all lanes, also those of empty rows
      far_mass = empty ? 0.0f : mass * __fdividef(grow, total);
    }
    return empty ? 0.0f : __fdividef(grow, total);
  }

 private:
  __device__ float offset(int r) const { return reference[r] == -INFINITY ? 0.0f : reference[r] * scale_log2; }

  template <int kCount>
  __device__ void move_reference(const float (&s)[kCount], float (&shrink)[2]) {
    float top[2] = {reference[0], reference[1]};
#pragma unroll
    for (int i = 0; i < kCount; ++i) top[row_of(i)] = fmaxf(top[row_of(i)], s[i]);
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const float next = quad_max(top[r]);
      shrink[r] = reference[r] == -INFINITY ? 0.0f : exp2_fast((reference[r] - next) * scale_log2);
      reference[r] = next;
      sum[r] *= shrink[r];
      if constexpr (kLandmarks) far[r] *= shrink[r];
    }
  }

  template <class Element, int kCount>
  __device__ void exponentials(const float (&s)[kCount], std::uint32_t (&w)[kCount / 8][4], float (&part)[2]) const {
    const float base[2] = {offset(0), offset(1)};
    part[0] = part[1] = 0.0f;
#pragma unroll
    for (int i = 0; i < kCount; i += 2) {
      const int r = row_of(i);
      const float low = exp2_fast(fmaf(s[i], scale_log2, -base[r])), high = exp2_fast(fmaf(s[i + 1], scale_log2, -base[r]));
      part[r] += low + high;
      w[i / 8][i / 2 % 4] = pack_pair<Element>(low, high);
    }
  }
};

}  // namespace halftone::cuda
