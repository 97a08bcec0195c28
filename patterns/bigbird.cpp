#include "halftone/patterns/bigbird.hpp"

#include <algorithm>
#include <limits>

#include "halftone/patterns/entries.hpp"
#include "halftone/patterns/rule_call.hpp"

namespace halftone::patterns {
namespace {

constexpr ParameterInfo kParameters[] = {
    kGranularity,
    {"window", "3",
     "key blocks (element: keys) from the own one back, itself included, and as many ahead (when not causal 2, the "
     "paper's three blocks); shrinks where a density leaves no room for it beside one random column"},
    {"random", "3", "budget: random key blocks per own key block (element: keys per query)"},
    {"global_blocks", "1", "leading key blocks that see and are seen by every position"},
    {"seed", "the request's", "of the random columns"}};

constexpr double kMost = std::numeric_limits<std::int32_t>::max();

struct Split {
  double window, random;
};

BlockMask make_bigbird(const PatternRequest& request, const nlohmann::json& values) {
  RuleCall call(bigbird_pattern, request, values, Lists::by_head);
  Parameters& parameters = call.parameters;
  if (!call.causal()) parameters.set_default("window", 2);
  parameters.set_default("seed", request.seed);
  const std::uint64_t seed = parameters.seed("seed");
  const std::int64_t global = call.block_length("global_blocks");
  const DitherScale near = call.window_scale(), far;
  const auto rule = [&](const Split& split) {
    return BigBirdRule{{near.count(split.window), global, call.causal()}, far.count(split.random), seed};
  };
  const double window = call.length("window", 1.0);
  if (call.density == 0.0) return call.mask(rule({window, parameters.real("random", 0.0, kMost)}));

  parameters.reject_beside_density("random");
  const double most = static_cast<double>(call.grid.key_units());
  const double window_steps = parameters.given("window") ? 0.0 : (window - 1.0) / static_cast<double>(near.step);
  // The first step buys a random column, the next ones the window (unless it is given), the rest more random columns.
  const auto split = [&](double steps) -> Split {
    const double beyond = steps - 1.0;
    if (beyond >= window_steps) return {window, steps - window_steps};
    return {window_steps > 0.0 ? near.value(std::max(beyond, 0.0)) : window, std::min(steps, 1.0)};
  };
  const Split best = split(call.solve(most + window_steps, [&](double steps) { return rule(split(steps)); }));
  parameters.record("window", best.window);
  parameters.record("random", best.random);
  return call.mask(rule(best));
}

}  // namespace

const PatternInfo bigbird_pattern = {"bigbird",
                                     "sliding window, global and random blocks, different in every head",
                                     "BigBird, Zaheer et al. 2020",
                                     "O(heads N^2 / (block_q block_k)) time, O(heads N (window + random)) memory",
                                     false,
                                     kParameters,
                                     make_bigbird};

}  // namespace halftone::patterns
