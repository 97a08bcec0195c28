#include "halftone/eval/statistics/paired.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "halftone/core/error.hpp"
#include "halftone/core/philox.hpp"

namespace halftone::eval {
namespace {

/// The values of each stratum.
std::vector<std::vector<double>> strata_of(const PairedDifferences& differences) {
  const auto& [values, stratum] = differences;
  if (values.empty()) throw InvalidArgument("differences", "none", "at least one document");
  if (!stratum.empty() && stratum.size() != values.size())
    throw InvalidArgument("stratum", fmt::format("{} entries", stratum.size()), fmt::format("{}", values.size()));
  std::map<int, std::vector<double>> strata;
  for (std::size_t i = 0; i < values.size(); ++i) strata[stratum.empty() ? 0 : stratum[i]].push_back(values[i]);
  std::vector<std::vector<double>> result;
  for (auto& [key, members] : strata) result.push_back(std::move(members));
  return result;
}

/// Mean over strata of the mean of pick(member value, index of the member over all strata).
template <class Pick>
double mean_of_means(const std::vector<std::vector<double>>& strata, const Pick& pick) {
  double sum = 0.0;
  for (const auto& members : strata) {
    double inside = 0.0;
    for (std::size_t i = 0; i < members.size(); ++i) inside += pick(members, i);
    sum += inside / static_cast<double>(members.size());
  }
  return sum / static_cast<double>(strata.size());
}

void check(const Resampling& resampling) {
  if (resampling.resamples < 1)
    throw InvalidArgument("resamples", fmt::format("{}", resampling.resamples), "at least 1");
}

void check_means(const std::vector<double>& means) {
  if (means.empty()) throw InvalidArgument("means", "none", "at least one");
}

}  // namespace

double stratified_mean(const PairedDifferences& differences) {
  return mean_of_means(strata_of(differences), [](const auto& members, std::size_t i) { return members[i]; });
}

std::vector<double> bootstrap_means(const PairedDifferences& differences, const Resampling& resampling) {
  check(resampling);
  const auto strata = strata_of(differences);
  std::vector<double> means(resampling.resamples);
  for (int r = 0; r < resampling.resamples; ++r) {
    const Philox random{resampling.seed, static_cast<std::uint64_t>(r)};
    std::uint64_t draw = 0;
    means[r] = mean_of_means(strata, [&](const auto& members, std::size_t) {
      return members[random.below(draw++, static_cast<std::uint32_t>(members.size()))];
    });
  }
  std::sort(means.begin(), means.end());
  return means;
}

Interval percentile_interval(const std::vector<double>& means, double confidence) {
  check_means(means);
  if (!(confidence > 0.0 && confidence < 1.0))
    throw InvalidArgument("confidence", fmt::format("{}", confidence), "a number between 0 and 1");
  // Outwards to whole places, but not for what rounding adds.
  const double last = static_cast<double>(means.size() - 1), tail = 0.5 * (1.0 - confidence) * last;
  const auto at = [&](double place) { return means[static_cast<std::size_t>(place)]; };
  return {at(std::floor(tail + 1e-9)), at(std::ceil(last - tail - 1e-9))};
}

double sign_flip_p(const PairedDifferences& differences, const Resampling& resampling) {
  check(resampling);
  const auto strata = strata_of(differences);
  const std::size_t n = differences.values.size();
  // What rounding may take from a mean that is as extreme.
  const double observed = std::abs(stratified_mean(differences)) * (1.0 - 1e-12);
  const auto as_extreme = [&](const auto& flipped) {
    std::size_t index = 0;
    const double mean = mean_of_means(strata, [&](const auto& members, std::size_t i) {
      return flipped(index++) ? -members[i] : members[i];
    });
    return std::abs(mean) >= observed;
  };
  const bool all = n < 31 && (1 << n) <= resampling.resamples;
  const int patterns = all ? 1 << n : resampling.resamples;
  int extreme = all ? 0 : 1;
  for (int pattern = 0; pattern < patterns; ++pattern) {
    const Philox random{resampling.seed, static_cast<std::uint64_t>(pattern)};
    extreme += as_extreme([&](std::size_t i) { return all ? pattern >> i & 1 : random(i).w[0] & 1u; });
  }
  return static_cast<double>(extreme) / (patterns + (all ? 0 : 1));
}

double equivalence_p(const std::vector<double>& means, double margin) {
  check_means(means);
  if (!(margin > 0.0)) throw InvalidArgument("margin", fmt::format("{}", margin), "a positive number");
  const auto above = means.end() - std::lower_bound(means.begin(), means.end(), margin);
  const auto below = std::upper_bound(means.begin(), means.end(), -margin) - means.begin();
  return static_cast<double>(std::max(above, below)) / static_cast<double>(means.size());
}

std::vector<double> holm_adjusted(const std::vector<double>& p_values) {
  std::vector<std::size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> adjusted(p_values.size());
  double least = 0.0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    least = std::max(least, std::min(1.0, p_values[order[i]] * static_cast<double>(order.size() - i)));
    adjusted[order[i]] = least;
  }
  return adjusted;
}

}  // namespace halftone::eval
