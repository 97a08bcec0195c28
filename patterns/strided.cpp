#include "halftone/patterns/strided.hpp"

#include "halftone/patterns/entries.hpp"
#include "halftone/patterns/rule_call.hpp"

namespace halftone::patterns {
namespace {

constexpr ParameterInfo kParameters[] = {
    kGranularity,
    {"window", "8", "budget: key blocks (element: keys) from the own one back, itself included, and as many ahead"},
    {"stride", "8", "key blocks (element: keys) between columns; with a density: columns take half of the budget"},
    kSinkBlocks};

BlockMask make_strided(const PatternRequest& request, const nlohmann::json& values) {
  RuleCall call(strided_pattern, request, values);
  const DitherScale scale = call.window_scale();
  const std::int64_t sink = call.block_length("sink_blocks");
  const auto rule = [&](double window, std::int64_t stride) {
    return StridedRule{{scale.count(window), sink, call.causal()}, stride};
  };
  const std::int64_t stride = call.stride([&](std::int64_t s) { return rule(1.0, s); });
  const double window = call.budget("window", scale, [&](double w) { return rule(w, stride); });
  return call.mask(rule(window, stride));
}

}  // namespace

const PatternInfo strided_pattern = {"strided",
                                     "sliding window, every stride-th key before, and leading sinks",
                                     "Sparse Transformer (strided), Child et al. 2019",
                                     "O(N^2 / (block_q block_k)) time, O(N (window + N / stride)) memory",
                                     false,
                                     kParameters,
                                     make_strided};

}  // namespace halftone::patterns
