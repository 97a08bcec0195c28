// Blocks by the sums of their antidiagonals. The element rule is that of its blocks: a pair counts when its block is
// kept for its tile.
#include "halftone/patterns/dot.hpp"
#include "halftone/patterns/entries.hpp"
#include "halftone/patterns/run_scores.hpp"
#include "halftone/patterns/topk_call.hpp"

namespace halftone::patterns {
namespace {

/// Runs of `stride` queries and cells of `stride` keys: every antidiagonal of their square of scores meets each of its
/// rows and columns once, so that one sum hears of all of them. With S = stride,
///   logit(run, cell) = scale / S  sum over s < S of q[S run + S - 1 - s] . k[S cell + s],
/// softmax over the cells that the run's last query sees, summed over the cells of a block and the runs of a tile.
/// Xu et al. 2025, "XAttention: Block Sparse Attention with Antidiagonal Scoring", section 2. Cells on the diagonal
/// count whole, as there. O(N^2 dim / stride).
struct AntidiagonalEstimate : RunGrid {
  Rows queries, keys;  ///< single rows; zero behind the sequence's end
  float scale;

  HALFTONE_FUNCTION std::int64_t cells(const RowIndex& row, std::int64_t run) const {
    const std::int64_t stride = run_length(), last = row.tile * geometry.block_q + (run + 1) * stride - 1;
    const std::int64_t end = geometry.len_q(row.batch) - 1;
    return (geometry.visible_keys(row.batch, last < end ? last : end) + stride - 1) / stride;
  }

  HALFTONE_FUNCTION float logit(const RowIndex& row, std::int64_t run, std::int64_t cell) const {
    const std::int64_t stride = run_length(), dim = static_cast<std::int64_t>(queries.extent(3));
    const std::int64_t kv = row.head / (geometry.heads / static_cast<std::int64_t>(keys.extent(1)));
    const float* q = &queries(row.batch, row.head, row.tile * geometry.block_q + run * stride, 0);
    const float* k = &keys(row.batch, kv, cell * stride, 0);
    float sum = 0.0f;
    for (std::int64_t s = 0; s < stride; ++s) sum += dot(q + (stride - 1 - s) * dim, k + s * dim, dim);
    return scale * sum / static_cast<float>(stride);
  }
};

constexpr ParameterInfo kParameters[] = {
    {"share", "0.9", "budget: share of each row's estimated attention, or of its visible blocks, that is kept"},
    {"share_of", "mass", "mass: of the estimated attention, the rows differ in blocks; blocks: the same in every row"},
    {"stride", "16", "distance of the antidiagonals: a divisor of block_q and block_k"},
    kForcedSink,
    kForcedLocal};

BlockMask make_antidiagonal(const PatternRequest& request, const nlohmann::json& values) {
  TopkCall call(antidiagonal_pattern, request, values);
  const MaskGeometry& g = request.geometry;
  call.divisor("stride", g.block_q, "block_q and block_k");
  const std::int64_t stride = call.divisor("stride", g.block_k, "block_q and block_k");
  const bool by_mass = call.parameters.choice("share_of", {"mass", "blocks"}) == "mass";
  const Scores scores = run_scores(AntidiagonalEstimate{{g, g.block_q / stride, g.block_k / stride},
                                                        pooled_queries(request, 1),
                                                        pooled_keys(request, 1),
                                                        attention_scale(request)});
  return call.best(scores, by_mass ? ShareOf::mass : ShareOf::blocks);
}

}  // namespace

const PatternInfo antidiagonal_pattern = {
    "antidiagonal",
    "the blocks that hold most of each row's attention, estimated from strided antidiagonals",
    "XAttention, Xu et al. 2025",
    "O(heads N^2 dim / stride) time, O(heads N dim + heads (N / block_q) (N / block_k)) memory",
    true,
    kParameters,
    make_antidiagonal};

}  // namespace halftone::patterns
