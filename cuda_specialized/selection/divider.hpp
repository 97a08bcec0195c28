// Division by what is known on the host.
#pragma once

#include <cstdint>

#include "halftone/core/portability.hpp"

namespace halftone::cuda::selection {

/// Quotients of a number of 32 bits by a divisor that is known on the host (Lemire, Kaser and Kurz 2019).
struct Divider {
  std::uint32_t divisor = 1;
  std::uint64_t reciprocal = 0;  ///< 2^64 / divisor, rounded up; of 1: unused

  Divider() = default;
  explicit Divider(std::uint32_t d) : divisor(d), reciprocal(~std::uint64_t{0} / d + 1) {}
  HALFTONE_FUNCTION std::uint32_t quotient(std::uint32_t n) const {
#ifdef __CUDA_ARCH__
    const auto high = static_cast<std::uint32_t>(__umul64hi(reciprocal, n));
#else
    const auto high = static_cast<std::uint32_t>(static_cast<unsigned __int128>(reciprocal) * n >> 64);
#endif
    return divisor == 1 ? n : high;
  }
};

}  // namespace halftone::cuda::selection
