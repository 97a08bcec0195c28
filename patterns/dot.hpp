// Products of float rows.
#pragma once

#include <cstdint>

#include "halftone/core/fast_math.hpp"
#include "halftone/core/kokkos_compat.hpp"

namespace halftone::patterns {

/// Sum of a[d] b[d] over d < n. Two vector registers of partial sums on a CPU, one sum on a GPU.
HALFTONE_FUNCTION inline float dot(const float* a, const float* b, std::int64_t n) {
  constexpr int kLanes = is_host_space<ExecSpace> ? 32 : 1;
  float lanes[kLanes] = {};
  std::int64_t d = 0;
  for (; d + kLanes <= n; d += kLanes)
    for (int l = 0; l < kLanes; ++l) lanes[l] = multiply_add(a[d + l], b[d + l], lanes[l]);
  float sum = 0.0f;
  for (; d < n; ++d) sum = multiply_add(a[d], b[d], sum);
  for (int l = 0; l < kLanes; ++l) sum += lanes[l];
  return sum;
}

}  // namespace halftone::patterns
