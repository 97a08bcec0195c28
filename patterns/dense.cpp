// Everything that is visible, and everything that would be under a causal mask.
#include <nlohmann/json.hpp>

#include "halftone/patterns/entries.hpp"
#include "halftone/patterns/rule_call.hpp"

namespace halftone::patterns {
namespace {

struct DenseSelector {
  HALFTONE_FUNCTION Cover cover(const RowIndex&, std::int64_t) const { return Cover::all; }
  HALFTONE_FUNCTION bool allowed(const RowIndex&, std::int64_t, std::int64_t) const { return true; }
};

BlockMask make(const PatternInfo& pattern, const PatternRequest& request, const nlohmann::json& values, bool causal) {
  const Parameters parameters(pattern, values);
  MaskGeometry g = request.geometry;
  g.heads = 1;
  if (!g.cu_seqlens_q) g.batch = 1;
  const std::int64_t visible = count_visible_blocks(g);
  g.causal = causal;
  BlockMask mask = parameters.label(build_mask(g, DenseSelector{}));
  mask.visible = visible;
  require_density(pattern.name, request.density, mask);
  return mask;
}

}  // namespace

const PatternInfo dense_pattern = {"dense",
                                   "every visible block",
                                   "Vaswani et al. 2017",
                                   "O(N^2 / (block_q block_k)) time and memory",
                                   false,
                                   {},
                                   [](const PatternRequest& request, const nlohmann::json& values) {
                                     return make(dense_pattern, request, values, request.geometry.causal);
                                   }};

const PatternInfo causal_pattern = {"causal",
                                    "every key up to the query's own position",
                                    "Vaswani et al. 2017",
                                    "O(N^2 / (block_q block_k)) time and memory",
                                    false,
                                    {},
                                    [](const PatternRequest& request, const nlohmann::json& values) {
                                      return make(causal_pattern, request, values, true);
                                    }};

}  // namespace halftone::patterns
