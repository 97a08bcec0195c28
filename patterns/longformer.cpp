#include "halftone/patterns/longformer.hpp"

#include "halftone/patterns/entries.hpp"
#include "halftone/patterns/rule_call.hpp"

namespace halftone::patterns {
namespace {

constexpr ParameterInfo kParameters[] = {
    kGranularity,
    {"window", "8", "budget: key blocks (element: keys) from the own one back, itself included, and as many ahead"},
    {"global_blocks", "2", "leading key blocks that see and are seen by every position"}};

BlockMask make_longformer(const PatternRequest& request, const nlohmann::json& values) {
  RuleCall call(longformer_pattern, request, values);
  const std::int64_t global = call.block_length("global_blocks");
  const auto rule = [&](double window) {
    return LongformerRule{{call.window_scale().count(window), global, call.causal()}};
  };
  return call.mask(rule(call.budget("window", call.window_scale(), rule)));
}

}  // namespace

const PatternInfo longformer_pattern = {"longformer",
                                        "sliding window and global tokens",
                                        "Longformer, Beltagy et al. 2020 (no dilation)",
                                        "O(N^2 / (block_q block_k)) time, O(N (window + global)) memory",
                                        false,
                                        kParameters,
                                        make_longformer};

}  // namespace halftone::patterns
