// The arithmetic of the halftone pattern that every implementation shares; no Kokkos, no CUDA.
//
// The product of representatives and statistics runs on tensor cores where there are some, so its inputs are bfloat16
// by definition, on every path: mean query u of a run, mean key m and per-dimension key variance d of a micro-block of
// n keys, and the squares of u. With float32 sums,
//   L = ln n + s (u . m) + kappa(s^2 (u^2 . d)).
#pragma once

#include <cstdint>

#include "halftone/core/dtype.hpp"
#include "halftone/core/fast_math.hpp"
#include "halftone/core/portability.hpp"

namespace halftone::patterns {

/// What a tile makes of its representatives' shares of the attention mass.
enum class Aggregation : std::uint8_t { rms, max, mean };

namespace detail {

/// Rounds to the precision in which statistics and representatives enter the product.
HALFTONE_FUNCTION inline float round_statistic(float x) { return static_cast<float>(bfloat16(x)); }

struct MeanAndVariance {
  float mean, variance;
};

/// Rounded mean and variance (divided by the number, no correction) of keys at distances from `origin` that add up to
/// `sum`, and their squares to `squares`; `share` is one over the number of keys. With one of the keys as the origin, a
/// key lies within sqrt(n - 1) standard deviations of the mean, so that the subtraction cancels no more than log2(n)
/// bits, however far the keys lie from zero.
HALFTONE_FUNCTION inline MeanAndVariance key_moments(float origin, float sum, float squares, float share) {
  const float shift = sum * share, spread = squares * share - shift * shift;
  return {round_statistic(origin + shift), round_statistic(spread < 0.0f ? 0.0f : spread)};
}

/// How far the spread of a micro-block's logits lifts its log-mass above the mean logit: for normal logits half their
/// variance g, but n keys cannot exceed their own maximum, about sqrt(2 g ln n) above the mean. With h = g / 2,
///   kappa = h  while h <= ln n,  2 sqrt(h ln n) - ln n  beyond. Continuous with its first derivative.
/// The same holds in logarithms of any base.
HALFTONE_FUNCTION inline float kappa(float half_variance, float log_count) {
  const float capped = 2.0f * fast_sqrt(half_variance * log_count) - log_count;
  return half_variance <= log_count ? half_variance : capped;
}

/// L - reference in powers of two for micro-blocks of one size, as few operations on the raw products u . m and u^2 . d.
struct LogMass2 {
  float logit;           ///< s log2 e
  float half_variance;   ///< s^2 log2 e / 2
  float switch_at;       ///< u^2 . d at which the cap sets in
  float capped;          ///< 2 sqrt(half_variance log2 n)

  LogMass2() = default;
  HALFTONE_FUNCTION LogMass2(float scale, float log2_count)
      : logit(scale * 1.44269504f),
        half_variance(0.5f * scale * scale * 1.44269504f),
        switch_at(log2_count / half_variance),
        capped(2.0f * fast_sqrt(half_variance * log2_count)) {}

  /// `uncapped` is log2 n - reference, `beyond` is - reference: log2 n cancels there.
  HALFTONE_FUNCTION float operator()(float mean_product, float variance_product, float uncapped, float beyond) const {
    const float small = multiply_add(half_variance, variance_product, uncapped);
    const float large = multiply_add(capped, fast_sqrt(variance_product), beyond);
    return multiply_add(logit, mean_product, variance_product <= switch_at ? small : large);
  }
};

}  // namespace detail
}  // namespace halftone::patterns
