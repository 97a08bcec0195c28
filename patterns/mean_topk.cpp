// Block top-k by mean pooling: the block's mean key stands for its keys, mean queries for the tile's queries.
#include <cmath>

#include "halftone/core/fast_math.hpp"
#include "halftone/patterns/density.hpp"
#include "halftone/patterns/entries.hpp"
#include "halftone/patterns/halftone/rows.hpp"
#include "halftone/patterns/parameters.hpp"
#include "halftone/patterns/topk_select.hpp"

namespace halftone::patterns {
namespace {

using TeamPolicy = Kokkos::TeamPolicy<ExecSpace>;
using Team = TeamPolicy::member_type;
using Means = Kokkos::View<float****, Kokkos::LayoutRight, MemSpace>;  // [batch, heads, runs, dim]
using Scores = Kokkos::View<float**, Kokkos::LayoutRight, MemSpace>;   // [rows, blocks]

/// mean(b, h, r, :) = mean of the rows r run .. (r + 1) run - 1 that the sequence has; 0 where it has none.
template <class T>
void pool(const Tensor& tensor, const std::int32_t* cu_seqlens, std::int64_t run, const Means& mean) {
  const detail::RowLayout rows(tensor, cu_seqlens);
  const T* x = static_cast<const T*>(tensor.data());
  const std::int64_t chunks = detail::column_chunks(rows.dim), runs = mean.extent(2);
  const std::int64_t items = static_cast<std::int64_t>(mean.extent(0)) * rows.heads * runs * chunks;
  Kokkos::parallel_for(
      "halftone::patterns::pool", RowPolicy(0, items), KOKKOS_LAMBDA(const std::int64_t item) {
        const std::int64_t column = item % chunks * detail::kColumns, r = item / chunks % runs;
        const std::int64_t h = item / chunks / runs % rows.heads, b = item / chunks / runs / rows.heads;
        const std::int64_t length = rows.cu_seqlens ? rows.cu_seqlens[b + 1] - rows.cu_seqlens[b] : rows.seq;
        const std::int64_t first = r * run, count = first + run < length ? run : length - first;
        const int columns =
            static_cast<int>(rows.dim - column < detail::kColumns ? rows.dim - column : detail::kColumns);
        float means[detail::kColumns] = {};
        if (count > 0)
          detail::mean_of_rows(x + rows.offset(b, h) + first * rows.dim + column, count, rows.dim, columns, means);
        for (int c = 0; c < columns; ++c) mean(b, h, r, column + c) = means[c];
      });
}

Means pooled(const Tensor& tensor, const std::int32_t* cu_seqlens, std::int64_t batch, std::int64_t run,
             std::int64_t runs) {
  const Means mean(uninitialized("halftone::patterns::means"), batch, tensor.shape[1], runs, tensor.shape[3]);
  dispatch_dtype(tensor.dtype, [&](auto zero) { pool<decltype(zero)>(tensor, cu_seqlens, run, mean); });
  return mean;
}

/// scores(row, c) = scale qbar.kbar_c for one mean query per tile; for several the sum of their softmax over the
/// visible blocks.
Scores mean_scores(const MaskGeometry& g, const Means& queries, const Means& keys, float scale) {
  const std::int64_t reps = queries.extent(2) / g.tiles(), run = g.block_q / reps, dim = queries.extent(3);
  const std::int64_t group = queries.extent(1) / keys.extent(1), blocks = g.blocks();
  const Scores scores("halftone::patterns::scores", g.rows(), blocks);
  using Scratch = Kokkos::View<float*, ExecSpace::scratch_memory_space, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
  TeamPolicy policy(static_cast<int>(g.rows()), Kokkos::AUTO);
  policy.set_scratch_size(1, Kokkos::PerTeam(static_cast<int>(Scratch::shmem_size(blocks))));
  Kokkos::parallel_for(
      "halftone::patterns::mean_scores", policy, KOKKOS_LAMBDA(const Team& team) {
        const RowIndex row(g, team.league_rank());
        const std::int64_t visible = g.visible_blocks(row.batch, row.tile), kv = row.head / group;
        const Scratch logit(team.team_scratch(1), blocks);
        for (std::int64_t r = 0; r < reps && row.tile * g.block_q + r * run < g.len_q(row.batch); ++r) {
          Kokkos::parallel_for(Kokkos::TeamThreadRange(team, visible), [&](const std::int64_t c) {
            float dot = 0.0f;
            for (std::int64_t d = 0; d < dim; ++d)
              dot += queries(row.batch, row.head, row.tile * reps + r, d) * keys(row.batch, kv, c, d);
            logit(c) = scale * dot;
            if (reps == 1) scores(row.row, c) = logit(c);
          });
          if (reps == 1) return;
          team.team_barrier();
          float peak = 0.0f, sum = 0.0f;
          Kokkos::parallel_reduce(
              Kokkos::TeamThreadRange(team, visible),
              [&](const std::int64_t c, float& m) { m = logit(c) > m ? logit(c) : m; }, Kokkos::Max<float>(peak));
          Kokkos::parallel_reduce(
              Kokkos::TeamThreadRange(team, visible),
              [&](const std::int64_t c, float& s) { s += fast_exp(logit(c) - peak); }, sum);
          Kokkos::parallel_for(Kokkos::TeamThreadRange(team, visible),
                               [&](const std::int64_t c) { scores(row.row, c) += fast_exp(logit(c) - peak) / sum; });
          team.team_barrier();
        }
      });
  return scores;
}

constexpr ParameterInfo kParameters[] = {
    {"share", "0.1", "budget: kept share of each row's visible blocks, forced ones included"},
    {"representatives", "1", "mean queries per query tile: a divisor of block_q"},
    {"sink_blocks", "1", "leading key blocks that are always kept"},
    {"local_blocks", "1", "key blocks beside the diagonal that are always kept"}};

BlockMask make_mean_topk(const PatternRequest& request, const nlohmann::json& values) {
  Parameters parameters(mean_topk_pattern, values);
  const MaskGeometry g = request.geometry;
  const std::int64_t reps = parameters.integer("representatives", 1);
  if (g.block_q % reps != 0) parameters.reject("representatives", reps, "a divisor of block_q");
  TopkBudget budget{g, parameters.integer("sink_blocks", 0), parameters.integer("local_blocks", 0), 0.0};
  if (request.density > 0.0) {
    parameters.reject_beside_density("share");
    budget.share =
        solve_budget(mean_topk_pattern.name, request.density, count_visible_blocks(g), 0.0, 1.0, [&](double share) {
          budget.share = share;
          return count_kept(budget);
        });
    parameters.record("share", budget.share);
  } else {
    budget.share = parameters.real("share", 0.0, 1.0);
  }
  const float scale = request.scale != 0.0f ? request.scale : 1.0f / std::sqrt(static_cast<float>(request.q->shape[3]));
  const Means queries = pooled(*request.q, g.cu_seqlens_q, g.batch, g.block_q / reps, g.tiles() * reps);
  const Means keys = pooled(*request.k, g.cu_seqlens_k, g.batch, g.block_k, g.blocks());
  return parameters.label(select_topk(budget, mean_scores(g, queries, keys, scale)));
}

}  // namespace

const PatternInfo mean_topk_pattern = {
    "mean_topk",
    "the best blocks of each row by mean query and mean key, the same share in every row",
    "MoBA, Lu et al. 2025 (query tiles in place of single queries)",
    "O(heads (N / block_q) (N / block_k) dim) time, O(heads (N / block_q) (N / block_k)) memory",
    true,
    kParameters,
    make_mean_topk};

}  // namespace halftone::patterns
