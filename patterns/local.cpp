#include "halftone/patterns/local.hpp"

#include "halftone/patterns/entries.hpp"
#include "halftone/patterns/rule_call.hpp"

namespace halftone::patterns {
namespace {

constexpr ParameterInfo kParameters[] = {
    kGranularity,
    {"window", "8", "budget: key blocks (element: keys) from the own one back, itself included, and as many ahead"},
    kSinkBlocks};

BlockMask make_local(const PatternRequest& request, const nlohmann::json& values) {
  RuleCall call(local_pattern, request, values);
  const std::int64_t sink = call.block_length("sink_blocks");
  const auto rule = [&](double window) { return LocalRule{{call.window_scale().count(window), sink, call.causal()}}; };
  return call.mask(rule(call.budget("window", call.window_scale(), rule)));
}

}  // namespace

const PatternInfo local_pattern = {"local",
                                   "sliding window and leading sinks",
                                   "Longformer, Beltagy et al. 2020; sinks as in StreamingLLM, Xiao et al. 2023",
                                   "O(N^2 / (block_q block_k)) time, O(N window) memory",
                                   false,
                                   kParameters,
                                   make_local};

}  // namespace halftone::patterns
