// The arithmetic of the halftone pattern that every implementation shares; no Kokkos, no CUDA.
//
// A run of queries is represented by one of them, u; a micro-block of n keys by its mean m and by the variance of its
// keys, averaged over groups of dimensions: d. With U the sums of the squares of u over the same groups,
//   L = ln n + s (u . m) + kappa(s^2 (U . d)).
// Both products run on tensor cores where there are some, so their inputs are bfloat16 by definition, on every path;
// sums are float32.
#pragma once

#include <cmath>
#include <cstdint>

#include "halftone/core/dtype.hpp"
#include "halftone/core/fast_math.hpp"
#include "halftone/core/portability.hpp"

namespace halftone::patterns {

/// What a tile makes of its representatives' shares of the attention mass.
enum class Aggregation : std::uint8_t { rms, max, mean };

/// The log-mass of a block from those of its micro-blocks: the largest of them, or the log of their sum. The largest
/// needs an eighth of the exponentials (micro-blocks of 8 keys) and selects as well.
enum class BlockMass : std::uint8_t { largest, sum };

namespace detail {

/// Rounds to the precision in which statistics and representatives enter the product.
HALFTONE_FUNCTION inline float round_statistic(float x) { return static_cast<float>(bfloat16(x)); }

/// The query that stands for the run [first, first + run) of a sequence of `len` queries: its middle one, or the last
/// there is. `first` must exist.
HALFTONE_FUNCTION inline std::int64_t representative_query(std::int64_t first, std::int64_t run, std::int64_t len) {
  const std::int64_t middle = first + run / 2;
  return middle < len ? middle : len - 1;
}

/// Groups of dimensions that share one variance: neighbours, together with those half the dimensions away, with which
/// rotary position embeddings pair them.
inline constexpr int kVarianceGroups = 16;

struct VarianceGroups {
  int dim, half, width;

  HALFTONE_FUNCTION explicit VarianceGroups(int dimensions)
      : dim(dimensions), half((dimensions + 1) / 2), width((half + kVarianceGroups - 1) / kVarianceGroups) {}

  /// Dimensions of a group; 0 for those that few dimensions leave empty.
  HALFTONE_FUNCTION int size(int group) const { return in_half(group, half) + in_half(group, dim - half); }
  /// The i-th of them.
  HALFTONE_FUNCTION int at(int group, int i) const {
    const int lower = in_half(group, half);
    return group * width + (i < lower ? i : half + i - lower);
  }

 private:
  HALFTONE_FUNCTION int in_half(int group, int end) const {
    const int left = end - group * width;
    return left < 0 ? 0 : (left < width ? left : width);
  }
};

struct MeanAndVariance {
  float mean, variance;
};

/// Rounded mean and variance (divided by the number, no correction; not rounded) of keys at distances from `origin`
/// that add up to `sum`, and their squares to `squares`; `share` is one over the number of keys. With one of the keys
/// as the origin, a key lies within sqrt(n - 1) standard deviations of the mean, so that the subtraction cancels no
/// more than log2(n) bits, however far the keys lie from zero.
HALFTONE_FUNCTION inline MeanAndVariance key_moments(float origin, float sum, float squares, float share) {
  const float shift = sum * share, spread = squares * share - shift * shift;
  return {round_statistic(origin + shift), spread < 0.0f ? 0.0f : spread};
}

/// How far the spread of a micro-block's logits lifts its log-mass above the mean logit, from half their variance, h:
/// for normal logits h, but n keys cannot exceed their own maximum, about 2 sqrt(h ln n) above the mean. Of that curve
/// (h up to ln n, 2 sqrt(h ln n) - ln n beyond), two tangents:
///   kappa = min(h, h / 2 + ln n).
/// The same holds in logarithms of any base. NaN stays.
HALFTONE_FUNCTION inline float kappa(float half_variance, float log_count) {
  const float capped = 0.5f * half_variance + log_count;
  return half_variance <= capped ? half_variance : capped;
}

/// What `how` makes of share(0) to share(count - 1), which are not negative. Relative to the largest, so that squares
/// of small shares do not vanish; of one share that share itself. NaN stays.
template <class Share>
HALFTONE_FUNCTION inline float aggregate(Aggregation how, int count, const Share& share) {
  float top = 0.0f;
  for (int i = 0; i < count; ++i) {
    const float x = share(i);
    top = x > top || x != x ? x : top;
  }
  if (how == Aggregation::max || !(top > 0.0f)) return top;
  float total = 0.0f;
  for (int i = 0; i < count; ++i) {
    const float ratio = share(i) / top;
    total += how == Aggregation::rms ? ratio * ratio : ratio;
  }
  total /= static_cast<float>(count);
  return top * (how == Aggregation::rms ? std::sqrt(total) : total);
}

/// What turns the raw products u . m and U . d into L - reference in powers of two.
struct LogMass2 {
  float logit;          ///< s log2 e
  float half_variance;  ///< s^2 log2 e / 2

  LogMass2() = default;
  HALFTONE_FUNCTION explicit LogMass2(float scale)
      : logit(scale * 1.44269504f), half_variance(0.5f * scale * scale * 1.44269504f) {}
};

}  // namespace detail
}  // namespace halftone::patterns
