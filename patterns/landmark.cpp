#include "halftone/patterns/landmark.hpp"

#include "halftone/patterns/entries.hpp"
#include "halftone/patterns/rule_call.hpp"

namespace halftone::patterns {
namespace {

constexpr ParameterInfo kParameters[] = {
    kGranularity,
    {"window", "4", "budget: key blocks (element: keys) from the own one back, itself included, and as many ahead"},
    {"stride", "8", "key blocks (element: keys) per landmark; with a density: landmarks take half of the budget"},
    kSinkBlocks};

BlockMask make_landmark(const PatternRequest& request, const nlohmann::json& values) {
  RuleCall call(landmark_pattern, request, values);
  const DitherScale scale = call.window_scale();
  const std::int64_t sink = call.block_length("sink_blocks");
  const auto rule = [&](double window, std::int64_t stride) {
    return LandmarkRule{{scale.count(window), sink, call.causal()}, stride};
  };
  const std::int64_t stride = call.stride([&](std::int64_t s) { return rule(1.0, s); });
  return call.mask(rule(call.budget("window", scale, [&](double w) { return rule(w, stride); }), stride));
}

}  // namespace

const PatternInfo landmark_pattern = {"landmark",
                                      "sliding window, a landmark at the end of every segment, and leading sinks",
                                      "Landmark Attention, Mohtashami and Jaggi 2023 (positions as landmarks)",
                                      "O(N^2 / (block_q block_k)) time, O(N (window + N / stride)) memory",
                                      false,
                                      kParameters,
                                      make_landmark};

}  // namespace halftone::patterns
