// Block top-k by mean pooling: the block's mean key stands for its keys, mean queries for the tile's queries.
#include "halftone/patterns/dot.hpp"
#include "halftone/patterns/entries.hpp"
#include "halftone/patterns/run_scores.hpp"
#include "halftone/patterns/topk_call.hpp"

namespace halftone::patterns {
namespace {

/// logit = scale qbar.kbar for the mean query of a run and the mean key of a block.
struct MeanEstimate : RunGrid {
  Rows queries, keys;
  float scale;

  HALFTONE_FUNCTION float logit(const RowIndex& row, std::int64_t run, std::int64_t block) const {
    const std::int64_t kv = row.head / (geometry.heads / static_cast<std::int64_t>(keys.extent(1)));
    return scale * dot(&queries(row.batch, row.head, row.tile * per_tile + run, 0), &keys(row.batch, kv, block, 0),
                       static_cast<std::int64_t>(queries.extent(3)));
  }
};

constexpr ParameterInfo kParameters[] = {kShare, kRepresentatives, kForcedSink, kForcedLocal};

BlockMask make_mean_topk(const PatternRequest& request, const nlohmann::json& values) {
  TopkCall call(mean_topk_pattern, request, values);
  const MaskGeometry& g = request.geometry;
  const std::int64_t per_tile = call.divisor("representatives", g.block_q, "block_q");
  return call.best(run_scores(MeanEstimate{{g, per_tile},
                                           pooled_queries(request, g.block_q / per_tile),
                                           pooled_keys(request, g.block_k),
                                           attention_scale(request)}));
}

}  // namespace

const PatternInfo mean_topk_pattern = {
    "mean_topk",
    "the best blocks of each row by mean query and mean key, the same share in every row",
    "MoBA, Lu et al. 2025 (query tiles in place of single queries)",
    "O(heads (N / block_q) (N / block_k) representatives dim) time, O(heads (N / block_q) (N / block_k)) memory",
    true,
    kParameters,
    make_mean_topk};

}  // namespace halftone::patterns
