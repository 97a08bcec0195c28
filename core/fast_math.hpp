// Float arithmetic that compilers turn into vector instructions; no Kokkos, no CUDA.
#pragma once

#include <cmath>
#include <cstdint>

#include "halftone/core/dtype.hpp"
#include "halftone/core/portability.hpp"

namespace halftone {

/// a * b + c, fused where the processor does that at full speed. Written out because GCC fuses nothing by itself under
/// -std=c++20 (-ffp-contract=off).
HALFTONE_FUNCTION inline float multiply_add(float a, float b, float c) {
#if defined(__FP_FAST_FMAF)
  return fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

/// e^x with a relative error below 3e-7, branch-free. 0 below -87.3365 (no subnormal results, e^-inf = 0), infinity
/// above 88.376, NaN for NaN.
///   x = n ln 2 + r, |r| <= ln 2 / 2:  e^x = 2^n e^r,  e^r = 1 + r + r^2 P(r).
HALFTONE_FUNCTION inline float fast_exp(float x) {
  constexpr float kLowest = -87.3365f, kHighest = 89.0f;
  constexpr float kLog2E = 1.44269504f;
  constexpr float kLn2High = 0x1.62ep-1f;     // few bits, so that n * kLn2High is exact
  constexpr float kLn2Low = 0x1.0bfbe8p-15f;  // ln 2 - kLn2High
  constexpr float kRound = 0x1.8p23f;         // adding it rounds to an integer, left in the low bits
  float c = x < kLowest ? kLowest : x;        // written so that NaN stays
  c = c > kHighest ? kHighest : c;
  const float shifted = multiply_add(c, kLog2E, kRound);
  const float n = shifted - kRound;
  float r = multiply_add(n, -kLn2High, c);
  r = multiply_add(n, -kLn2Low, r);
  float p = 0x1.10625p-7f;  // minimax for e^r, relative error 1.1e-7 without rounding
  p = multiply_add(p, r, 0x1.572a64p-5f);
  p = multiply_add(p, r, 0x1.5557bp-3f);
  p = multiply_add(p, r, 0x1.fffdfcp-2f);
  p = multiply_add(p * r, r, r) + 1.0f;
  const std::uint32_t power = (detail::bits_of(shifted) + 127u) << 23;  // 2^n; infinity for n = 128
  const std::uint32_t scale = x < kLowest ? 0u : power;
  return p * detail::float_of(scale);
}

}  // namespace halftone
