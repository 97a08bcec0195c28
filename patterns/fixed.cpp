#include "halftone/patterns/fixed.hpp"

#include "halftone/patterns/entries.hpp"
#include "halftone/patterns/rule_call.hpp"

namespace halftone::patterns {
namespace {

constexpr ParameterInfo kParameters[] = {
    kGranularity,
    {"summary", "1", "budget: key blocks (element: keys) at the end of each segment that every later query sees"},
    {"stride", "8", "key blocks (element: keys) of a segment; with a density: segments take half of the budget"},
    kSinkBlocks};

BlockMask make_fixed(const PatternRequest& request, const nlohmann::json& values) {
  RuleCall call(fixed_pattern, request, values);
  const DitherScale scale{call.grid.block_units()};
  const std::int64_t sink = call.block_length("sink_blocks");
  const auto rule = [&](double summary, std::int64_t stride) { return FixedRule{stride, scale.count(summary), sink}; };
  const std::int64_t stride = call.stride([&](std::int64_t s) { return rule(0.0, s); });
  const double summary = call.budget("summary", scale, [&](double s) { return rule(s, stride); });
  return call.mask(rule(summary, stride));
}

}  // namespace

const PatternInfo fixed_pattern = {"fixed",
                                   "own segment, the end of every segment, and leading sinks",
                                   "Sparse Transformer (fixed), Child et al. 2019",
                                   "O(N^2 / (block_q block_k)) time, O(N (stride + summary N / stride)) memory",
                                   false,
                                   kParameters,
                                   make_fixed};

}  // namespace halftone::patterns
