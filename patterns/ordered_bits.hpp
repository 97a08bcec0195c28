// Comparing floats as integers.
#pragma once

#include <cstdint>

#include "halftone/core/dtype.hpp"
#include "halftone/core/portability.hpp"

namespace halftone::patterns {

/// Unsigned integers in the order of the numbers; both zeros are equal, NaN is below all numbers.
HALFTONE_FUNCTION inline std::uint32_t ordered_bits(float x) {
  if (x != x) return 0;
  const std::uint32_t bits = halftone::detail::bits_of(x + 0.0f);  // -0 becomes +0
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

}  // namespace halftone::patterns
