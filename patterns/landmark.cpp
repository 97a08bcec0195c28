#include "halftone/patterns/landmark.hpp"

#include "halftone/patterns/entries.hpp"
#include "halftone/patterns/rule_call.hpp"
#include "halftone/patterns/sampled_attention.hpp"

namespace halftone::patterns {
namespace {

constexpr ParameterInfo kParameters[] = {
    kGranularity,
    {"window", "4", "budget: key blocks (element: keys) from the own one back, itself included, and as many ahead"},
    {"stride", "8", "key blocks (element: keys) per landmark; with a density: landmarks take half of the budget"},
    kSinkBlocks};

/// make_rule(near, stride) is the rule.
template <class MakeRule>
BlockMask landmark_mask(RuleCall& call, const MakeRule& make_rule) {
  const DitherScale scale = call.window_scale();
  const std::int64_t sink = call.block_length("sink_blocks");
  const auto rule = [&](double window, std::int64_t stride) {
    return make_rule(Band{scale.count(window), sink, call.causal()}, stride);
  };
  const std::int64_t stride = call.stride([&](std::int64_t s) { return rule(1.0, s); });
  return call.mask(rule(call.budget("window", scale, [&](double w) { return rule(w, stride); }), stride));
}

BlockMask make_landmark(const PatternRequest& request, const nlohmann::json& values) {
  RuleCall call(landmark_pattern, request, values);
  return landmark_mask(call, [](const Band& near, std::int64_t stride) { return LandmarkRule{near, stride}; });
}

BlockMask make_adaptive(const PatternRequest& request, const nlohmann::json& values) {
  RuleCall call(landmark_adaptive_pattern, request, values, Lists::by_head_and_sequence);
  const MaskGeometry& g = request.geometry;
  const Ranks columns = rank_rows(column_mass(sample_attention(request, {g.block_q, g.tiles()}), call.grid.unit));
  return landmark_mask(call, [&](const Band& near, std::int64_t stride) {
    return AdaptiveLandmarkRule{near, stride, columns};
  });
}

}  // namespace

const PatternInfo landmark_pattern = {"landmark",
                                      "sliding window, a landmark at the end of every segment, and leading sinks",
                                      "Landmark Attention, Mohtashami and Jaggi 2023 (positions as landmarks)",
                                      "O(N^2 / (block_q block_k)) time, O(N (window + N / stride)) memory",
                                      false,
                                      kParameters,
                                      make_landmark};

const PatternInfo landmark_adaptive_pattern = {
    "landmark_adaptive",
    "sliding window, the columns that receive most attention as landmarks, and leading sinks",
    "heavy hitters of H2O, Zhang et al. 2023, by the tiles' mean queries",
    "O(heads (N^2 dim / block_q + N^2 / (block_q block_k))) time, O(heads_kv N dim) memory",
    true,
    kParameters,
    make_adaptive};

}  // namespace halftone::patterns
