// Scores of blocks from estimated logits: what mean pooling, bounds and antidiagonals share.
#pragma once

#include "halftone/core/fast_math.hpp"
#include "halftone/patterns/mask_builder.hpp"
#include "halftone/patterns/pooling.hpp"
#include "halftone/patterns/topk_select.hpp"

namespace halftone::patterns {

/// How the queries of a tile are grouped into runs, and what a run sees. Base of estimates, which are copied into
/// kernels and add
///   float logit(row, run, cell)   between a run of the tile's queries and a cell of consecutive keys.
struct RunGrid {
  MaskGeometry geometry;
  std::int64_t per_tile;             ///< runs
  std::int64_t cells_per_block = 1;  ///< a divisor of block_k

  HALFTONE_FUNCTION std::int64_t run_length() const { return geometry.block_q / per_tile; }

  /// Runs that hold a query.
  HALFTONE_FUNCTION std::int64_t runs(const RowIndex& row) const {
    const std::int64_t left = geometry.len_q(row.batch) - row.tile * geometry.block_q, run = run_length();
    return left >= geometry.block_q ? per_tile : left <= 0 ? 0 : (left + run - 1) / run;
  }

  /// Cells of the blocks that the tile sees.
  HALFTONE_FUNCTION std::int64_t cells(const RowIndex& row, std::int64_t) const {
    return geometry.visible_blocks(row.batch, row.tile) * cells_per_block;
  }
};

/// Calls logit on every (run, cell) that is seen, and fills
///   scores(row, c) = sum over the tile's runs and the block's cells of the run's softmax over the cells it sees.
/// Where a tile is one run and a block one cell, the logit stands for its softmax, which has the same order.
/// Time O(rows runs cells) logits; memory a row of cells per team.
template <class Estimate>
Scores run_scores(const Estimate& estimate) {
  const MaskGeometry g = estimate.geometry;
  const std::int64_t blocks = g.blocks(), per_block = estimate.cells_per_block;
  const bool plain = estimate.per_tile == 1 && per_block == 1;
  const Scores scores("halftone::patterns::scores", g.rows(), blocks);
  using TeamPolicy = Kokkos::TeamPolicy<ExecSpace>;
  using Scratch = Kokkos::View<float*, ExecSpace::scratch_memory_space, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
  TeamPolicy policy(static_cast<int>(g.rows()), Kokkos::AUTO);
  policy.set_scratch_size(1, Kokkos::PerTeam(static_cast<int>(Scratch::shmem_size(blocks * per_block))));
  Kokkos::parallel_for(
      "halftone::patterns::run_scores", policy, KOKKOS_LAMBDA(const TeamPolicy::member_type& team) {
        const RowIndex row(g, team.league_rank());
        const Scratch logit(team.team_scratch(1), blocks * per_block);
        const std::int64_t runs = estimate.runs(row);
        for (std::int64_t run = 0; run < runs; ++run) {
          const std::int64_t cells = estimate.cells(row, run);
          Kokkos::parallel_for(Kokkos::TeamThreadRange(team, cells), [&](const std::int64_t cell) {
            logit(cell) = estimate.logit(row, run, cell);
            if (plain) scores(row.row, cell) = logit(cell);
          });
          if (plain || cells == 0) continue;
          team.team_barrier();
          float peak = 0.0f, sum = 0.0f;
          Kokkos::parallel_reduce(
              Kokkos::TeamThreadRange(team, cells),
              [&](const std::int64_t cell, float& m) { m = logit(cell) > m ? logit(cell) : m; },
              Kokkos::Max<float>(peak));
          Kokkos::parallel_reduce(
              Kokkos::TeamThreadRange(team, cells),
              [&](const std::int64_t cell, float& s) { s += fast_exp(logit(cell) - peak); }, sum);
          const std::int64_t seen = (cells + per_block - 1) / per_block;
          Kokkos::parallel_for(Kokkos::TeamThreadRange(team, seen), [&](const std::int64_t c) {
            const std::int64_t end = (c + 1) * per_block < cells ? (c + 1) * per_block : cells;
            for (std::int64_t cell = c * per_block; cell < end; ++cell)
              scores(row.row, c) += fast_exp(logit(cell) - peak) / sum;
          });
          team.team_barrier();
        }
      });
  return scores;
}

}  // namespace halftone::patterns
