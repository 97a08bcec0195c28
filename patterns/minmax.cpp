// Block top-k by an upper bound: no key of a block can have a larger product with the query than the bound says. The
// element rule is that of its blocks: a pair counts when its block is among the best of its tile.
#include "halftone/patterns/entries.hpp"
#include "halftone/patterns/run_scores.hpp"
#include "halftone/patterns/topk_call.hpp"

namespace halftone::patterns {
namespace {

/// logit = sum over dimensions d of max(scale q_d low_d, scale q_d high_d) >= scale q.k for every key k of the block,
/// whose components lie in [low, high]. Tang et al. 2024, "Quest: Query-Aware Sparsity for Efficient Long-Context LLM
/// Inference", equation (1); mean queries of runs stand for the tile's queries.
struct BoundEstimate : RunGrid {
  Rows queries, low, high;
  float scale;

  HALFTONE_FUNCTION float logit(const RowIndex& row, std::int64_t run, std::int64_t block) const {
    const std::int64_t kv = row.head / (geometry.heads / static_cast<std::int64_t>(low.extent(1)));
    const std::int64_t dim = static_cast<std::int64_t>(queries.extent(3));
    const float* q = &queries(row.batch, row.head, row.tile * per_tile + run, 0);
    const float *least = &low(row.batch, kv, block, 0), *most = &high(row.batch, kv, block, 0);
    constexpr int kLanes = is_host_space<ExecSpace> ? 16 : 1;
    float lanes[kLanes] = {};
    std::int64_t d = 0;
    for (; d + kLanes <= dim; d += kLanes)
      for (int l = 0; l < kLanes; ++l) lanes[l] += bound(scale * q[d + l], least[d + l], most[d + l]);
    float sum = 0.0f;
    for (; d < dim; ++d) sum += bound(scale * q[d], least[d], most[d]);
    for (int l = 0; l < kLanes; ++l) sum += lanes[l];
    return sum;
  }

 private:
  HALFTONE_FUNCTION static float bound(float q, float least, float most) {
    const float a = q * least, b = q * most;
    return a > b ? a : b;
  }
};

constexpr ParameterInfo kParameters[] = {
    kShare, {"representatives", "8", kRepresentatives.description}, kForcedSink, kForcedLocal};

BlockMask make_minmax(const PatternRequest& request, const nlohmann::json& values) {
  TopkCall call(minmax_pattern, request, values);
  const MaskGeometry& g = request.geometry;
  const std::int64_t per_tile = call.divisor("representatives", g.block_q, "block_q");
  return call.best(run_scores(BoundEstimate{{g, per_tile},
                                            pooled_queries(request, g.block_q / per_tile),
                                            pooled_keys(request, g.block_k, Pooling::least),
                                            pooled_keys(request, g.block_k, Pooling::most),
                                            attention_scale(request)}));
}

}  // namespace

const PatternInfo minmax_pattern = {
    "minmax",
    "the best blocks of each row by an upper bound of its products with their keys",
    "Quest, Tang et al. 2024 (mean queries in place of single ones)",
    "O(heads (N / block_q) (N / block_k) representatives dim) time, O(heads (N / block_q) (N / block_k)) memory",
    true,
    kParameters,
    make_minmax};

}  // namespace halftone::patterns
