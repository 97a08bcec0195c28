// Random activations for a test geometry, read back one number at a time.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "geometries.hpp"
#include "halftone/patterns/pattern.hpp"
#include "support/random.hpp"

namespace halftone::testing {

using Vector = std::vector<double>;

inline constexpr long kDim = 12;

/// Queries and keys rounded to `dtype`. Rows are counted within their sequence, heads are query heads.
struct Activations {
  const TestGeometry& test;
  HostTensor q, k, q_float, k_float;
  Tensor device_q, device_k;

  Activations(const TestGeometry& t, DType dtype, long heads_kv) : test(t) {
    const std::int64_t batch = t.packed() ? 1 : t.geometry.batch;
    std::int64_t total_q = 0, total_k = 0;
    for (const Lengths& l : t.lengths) {
      total_q += l.q;
      total_k += l.k;
    }
    q = random_tensor(dtype, {batch, t.geometry.heads, total_q / batch, kDim}, 1, 2.0f);
    k = random_tensor(dtype, {batch, heads_kv, total_k / batch, kDim}, 2, 2.0f);
    upload();
  }

  void upload() {
    q_float = convert(q, DType::float32);
    k_float = convert(k, DType::float32);
    device_q = to_device(q);
    device_k = to_device(k);
  }

  patterns::PatternRequest request(double scale = 0.0) const {
    patterns::PatternRequest r;
    r.geometry = test.geometry;
    r.q = &device_q;
    r.k = &device_k;
    r.scale = static_cast<float>(scale);
    return r;
  }

  double query(long b, long head, long i, long d) const {
    return q_float.view<float>()(test.packed() ? 0 : b, head, begin(b, &Lengths::q) + i, d);
  }
  double key(long b, long head, long j, long d) const {
    const long group = test.geometry.heads / k.shape[1];
    return k_float.view<float>()(test.packed() ? 0 : b, head / group, begin(b, &Lengths::k) + j, d);
  }

  Vector mean_query(long b, long head, long first, long last) const {
    Vector mean(kDim, 0.0);
    for (long i = first; i < last; ++i)
      for (long d = 0; d < kDim; ++d) mean[d] += query(b, head, i, d) / static_cast<double>(last - first);
    return mean;
  }
  Vector mean_key(long b, long head, long first, long last) const {
    Vector mean(kDim, 0.0);
    for (long j = first; j < last; ++j)
      for (long d = 0; d < kDim; ++d) mean[d] += key(b, head, j, d) / static_cast<double>(last - first);
    return mean;
  }

 private:
  long begin(long b, std::int64_t Lengths::*length) const {
    long sum = 0;
    for (long s = 0; test.packed() && s < b; ++s) sum += test.lengths[s].*length;
    return sum;
  }
};

/// The scale a request has when it says 0.
inline double real_scale(double scale) { return scale == 0.0 ? 1.0 / std::sqrt(static_cast<double>(kDim)) : scale; }

/// Keys that query i of sequence b sees.
inline long keys_seen(const TestGeometry& test, long b, long i) {
  const Lengths l = test.lengths[b];
  return test.geometry.causal ? std::clamp<long>(i + l.k - l.q + 1, 0, l.k) : l.k;
}

inline void softmax(Vector& logits) {
  if (logits.empty()) return;
  const double peak = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (double& x : logits) sum += x = std::exp(x - peak);
  for (double& x : logits) x /= sum;
}

}  // namespace halftone::testing
