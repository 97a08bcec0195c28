#include "halftone/patterns/dilated.hpp"

#include "halftone/patterns/entries.hpp"
#include "halftone/patterns/rule_call.hpp"

namespace halftone::patterns {
namespace {

constexpr ParameterInfo kParameters[] = {
    kGranularity,
    {"window", "8", "budget: key blocks (element: keys) that are seen, from the own one back (and as many ahead)"},
    {"dilation", "4", "distance between two of them, in key blocks (element: keys); 1 is the sliding window"},
    kSinkBlocks};

BlockMask make_dilated(const PatternRequest& request, const nlohmann::json& values) {
  RuleCall call(dilated_pattern, request, values);
  const std::int64_t sink = call.block_length("sink_blocks"), dilation = call.parameters.integer("dilation", 1);
  const auto rule = [&](double window) { return DilatedRule{call.window_scale().count(window), dilation, sink}; };
  return call.mask(rule(call.budget("window", call.window_scale(), rule)));
}

}  // namespace

const PatternInfo dilated_pattern = {"dilated",
                                     "sliding window with gaps, and leading sinks",
                                     "Longformer (dilated), Beltagy et al. 2020",
                                     "O(N^2 / (block_q block_k)) time, O(N window) memory",
                                     false,
                                     kParameters,
                                     make_dilated};

}  // namespace halftone::patterns
