#include "halftone/patterns/hierarchical.hpp"

#include "halftone/patterns/entries.hpp"
#include "halftone/patterns/rule_call.hpp"

namespace halftone::patterns {
namespace {

constexpr ParameterInfo kParameters[] = {
    kGranularity,
    {"window", "2", "budget: key blocks (element: keys) of the near field, from the own one back (and as many ahead)"},
    kSinkBlocks};

BlockMask make_hierarchical(const PatternRequest& request, const nlohmann::json& values) {
  RuleCall call(hierarchical_pattern, request, values);
  const std::int64_t sink = call.block_length("sink_blocks");
  const auto rule = [&](double window) {
    return HierarchicalRule{{call.window_scale().count(window), sink, call.causal()}};
  };
  return call.mask(rule(call.budget("window", call.window_scale(), rule)));
}

}  // namespace

const PatternInfo hierarchical_pattern = {
    "hierarchical",
    "near field, every 2nd, 4th, 8th ... block as the distance doubles, and leading sinks",
    "H-Transformer-1D, Zhu and Soricut 2021; LogSparse, Li et al. 2019; LongNet, Ding et al. 2023",
    "O(N^2 log(N) / (block_q block_k)) time, O(N window log(N / window)) memory",
    false,
    kParameters,
    make_hierarchical};

}  // namespace halftone::patterns
