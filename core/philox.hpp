// Counter-based random numbers: the same data on every backend and thread count.
#pragma once

#include <cmath>
#include <cstdint>

#include "halftone/core/portability.hpp"

namespace halftone {

/// Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011),
/// keyed by (seed, stream, index): each index gives four independent 32-bit words.
struct Philox {
  struct Words {
    std::uint32_t w[4];
  };

  std::uint64_t seed;
  std::uint64_t stream = 0;

  HALFTONE_FUNCTION Words operator()(std::uint64_t index) const {
    std::uint32_t c0 = static_cast<std::uint32_t>(index), c1 = static_cast<std::uint32_t>(index >> 32);
    std::uint32_t c2 = static_cast<std::uint32_t>(stream), c3 = static_cast<std::uint32_t>(stream >> 32);
    std::uint32_t k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c0, p1 = std::uint64_t{0xCD9E8D57u} * c2;
      const std::uint32_t n0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
      const std::uint32_t n2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
      c1 = static_cast<std::uint32_t>(p1);
      c3 = static_cast<std::uint32_t>(p0);
      c0 = n0;
      c2 = n2;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
  }

  /// Uniform in (0, 1): the middles of 2^23 equal intervals, which float holds exactly.
  HALFTONE_FUNCTION static float to_unit(std::uint32_t word) {
    return (static_cast<float>(word >> 9) + 0.5f) * 0x1.0p-23f;
  }

  /// Uniform in (0, 1) for this index.
  HALFTONE_FUNCTION float uniform(std::uint64_t index) const { return to_unit((*this)(index).w[0]); }

  /// Uniform integer in [0, bound), bound > 0 (multiply-shift; bias below bound / 2^32).
  HALFTONE_FUNCTION std::uint32_t below(std::uint64_t index, std::uint32_t bound) const {
    return static_cast<std::uint32_t>((std::uint64_t{(*this)(index).w[0]} * bound) >> 32);
  }

  /// Standard normal for this index (Box-Muller).
  HALFTONE_FUNCTION float normal(std::uint64_t index) const {
    const Words r = (*this)(index);
    return std::sqrt(-2.0f * std::log(to_unit(r.w[0]))) * std::cos(6.2831853071795865f * to_unit(r.w[1]));
  }
};

}  // namespace halftone
