// Meeting a wanted density.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "halftone/core/block_mask.hpp"
#include "halftone/core/error.hpp"

namespace halftone::patterns {

/// How far the density of a mask may lie from what was asked for.
inline constexpr double kDensityTolerance = 0.002;

/// A density outside what a pattern can reach.
struct UnreachableDensity : InvalidArgument {
  double least, most;

  UnreachableDensity(std::string_view pattern, double density, double least, double most);
  /// With words of its own for what is expected.
  UnreachableDensity(double density, const std::string& expected, double least, double most);
};

/// The budget in [low, high] whose mask comes closest to `density` of `visible` blocks, where kept(budget) is the
/// number of blocks that a budget keeps and does not fall with it. Stops within half a block or 1e-4. Throws
/// UnreachableDensity naming the range when the density lies more than kDensityTolerance outside it.
double solve_budget(std::string_view pattern, double density, std::int64_t visible, double low, double high,
                    const std::function<std::int64_t(double)>& kept);

/// The integer in [low, high] next to the point where kept, which rises (or falls) from one end to the other, crosses
/// `target`: the last one on the side that keeps at most the target, or the end that keeps less.
std::int64_t solve_integer(double target, std::int64_t low, std::int64_t high,
                           const std::function<std::int64_t(std::int64_t)>& kept);

/// For patterns without a budget: throws UnreachableDensity unless `density` is 0 or what the mask has.
void require_density(std::string_view pattern, double density, const BlockMask& mask);

}  // namespace halftone::patterns
