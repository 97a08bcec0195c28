#include "halftone/patterns/density.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace halftone::patterns {
namespace {

struct Point {
  double budget, kept;
};

}  // namespace

UnreachableDensity::UnreachableDensity(double density, const std::string& expected, double least, double most)
    : InvalidArgument("density", fmt::format("{}", density), expected), least(least), most(most) {}

UnreachableDensity::UnreachableDensity(std::string_view pattern, double density, double least, double most)
    : UnreachableDensity(density,
                         least == most
                             ? fmt::format("{:.4f}, the only one pattern {} has here", least, pattern)
                             : fmt::format("{:.4f} to {:.4f}, what pattern {} can reach here", least, most, pattern),
                         least, most) {}

double solve_budget(std::string_view pattern, double density, std::int64_t visible, double low, double high,
                    const std::function<std::int64_t(double)>& kept) {
  const double all = static_cast<double>(visible), target = density * all;
  const auto at = [&](double budget) { return Point{budget, static_cast<double>(kept(budget))}; };
  const auto miss = [&](const Point& p) { return std::abs(p.kept - target); };
  Point below = at(low), above = at(high);
  if (target < below.kept - kDensityTolerance * all || target > above.kept + kDensityTolerance * all)
    throw UnreachableDensity(pattern, density, below.kept / all, above.kept / all);

  Point best = miss(below) <= miss(above) ? below : above;
  const double enough = std::max(0.5, 1e-4 * all);
  // The count is nearly linear in the budget, so interpolation is quick; every other step bisects, which is sure.
  for (int step = 0; miss(best) > enough && above.budget - below.budget > 1e-9 * high; ++step) {
    const double slope = (target - below.kept) / std::max(above.kept - below.kept, 1.0);
    const double share = step % 2 ? 0.5 : std::clamp(slope, 0.01, 0.99);
    const Point p = at(below.budget + share * (above.budget - below.budget));
    if (miss(p) < miss(best)) best = p;
    (p.kept < target ? below : above) = p;
  }
  return best.budget;
}

std::int64_t solve_integer(double target, std::int64_t low, std::int64_t high,
                           const std::function<std::int64_t(std::int64_t)>& kept) {
  const bool rising = kept(low) <= kept(high);
  std::int64_t fits = rising ? low : high, exceeds = rising ? high + 1 : low - 1;
  while (std::abs(fits - exceeds) > 1) {
    const std::int64_t middle = (fits + exceeds) / 2;
    (static_cast<double>(kept(middle)) <= target ? fits : exceeds) = middle;
  }
  return fits;
}

void require_density(std::string_view pattern, double density, const BlockMask& mask) {
  if (density > 0.0 && std::abs(mask.density() - density) > kDensityTolerance)
    throw UnreachableDensity(pattern, density, mask.density(), mask.density());
}

}  // namespace halftone::patterns
