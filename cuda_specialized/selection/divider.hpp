// Division by what is known on the host.
#pragma once

#include <bit>
#include <cstdint>

#include "halftone/core/portability.hpp"

namespace halftone::cuda::selection {

/// Quotients of numbers below 2^31 by a divisor that is known on the host, from 1 to 2^31: the product with
/// ceil(2^(31 + log2) / divisor), where log2 is the divisor's, rounded up (Granlund and Montgomery 1994).
struct Divider {
  std::uint32_t divisor = 1, factor = 1u << 31, log2 = 0;

  Divider() = default;
  explicit Divider(std::uint32_t d) : divisor(d), log2(static_cast<std::uint32_t>(std::bit_width(d - 1))) {
    factor = static_cast<std::uint32_t>(((std::uint64_t{1} << (31 + log2)) + d - 1) / d);
  }
  HALFTONE_FUNCTION std::uint32_t quotient(std::uint32_t n) const {
#ifdef __CUDA_ARCH__
    return __umulhi(2 * n, factor) >> log2;
#else
    return static_cast<std::uint32_t>(std::uint64_t{2 * n} * factor >> 32) >> log2;
#endif
  }
};

}  // namespace halftone::cuda::selection
