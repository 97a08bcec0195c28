#include "halftone/patterns/topk_select.hpp"

#include "halftone/core/dtype.hpp"

namespace halftone::patterns {
namespace {

using Scores = Kokkos::View<const float**, Kokkos::LayoutRight, MemSpace>;

/// Unsigned integers in the order of the numbers; NaN below all of them.
HALFTONE_FUNCTION inline std::uint32_t ordered_bits(float x) {
  if (x != x) return 0;
  const std::uint32_t bits = halftone::detail::bits_of(x + 0.0f);  // -0 becomes +0
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

struct TopkKeys {
  TopkBudget budget;
  Scores scores;

  HALFTONE_FUNCTION std::uint32_t operator()(const RowIndex& row, std::int64_t block) const {
    return budget.forced(row, block) ? 0xffffffffu : ordered_bits(scores(row.row, block));
  }
};

struct TopkSelector {
  TopkKeys keys;
  Array<std::uint32_t> threshold;  ///< per row: the smallest key that is kept
  Array<std::int64_t> last_tie;    ///< per row: the last block that is kept with exactly that key

  HALFTONE_FUNCTION Cover cover(const RowIndex& row, std::int64_t block) const {
    const std::uint32_t key = keys(row, block), least = threshold(row.row);
    return key > least || (key == least && block <= last_tie(row.row)) ? Cover::all : Cover::none;
  }
  HALFTONE_FUNCTION bool allowed(const RowIndex&, std::int64_t, std::int64_t) const { return true; }
};

using TeamPolicy = Kokkos::TeamPolicy<ExecSpace>;
using Team = TeamPolicy::member_type;

/// Finds the threshold bit by bit: the largest key that at least `kept` blocks reach.
void find_thresholds(const TopkSelector& select) {
  const TopkBudget budget = select.keys.budget;
  Kokkos::parallel_for(
      "halftone::patterns::topk_threshold", TeamPolicy(static_cast<int>(budget.geometry.rows()), Kokkos::AUTO),
      KOKKOS_LAMBDA(const Team& team) {
        const RowIndex row(budget.geometry, team.league_rank());
        const std::int64_t visible = budget.visible(row), kept = budget.kept(row);
        const auto reaching = [&](std::uint32_t least) {
          std::int64_t count = 0;
          Kokkos::parallel_reduce(
              Kokkos::TeamThreadRange(team, visible),
              [&](const std::int64_t block, std::int64_t& sum) { sum += select.keys(row, block) >= least; }, count);
          return count;
        };
        std::uint32_t least = 0;
        for (int bit = 31; bit >= 0; --bit) {
          const std::uint32_t higher = least | std::uint32_t{1} << bit;
          if (reaching(higher) >= kept) least = higher;
        }
        std::int64_t ties = kept - (least == 0xffffffffu ? 0 : reaching(least + 1));
        Kokkos::single(Kokkos::PerTeam(team), [&]() {
          std::int64_t last = -1;
          for (std::int64_t block = 0; block < visible && ties > 0; ++block)
            if (select.keys(row, block) == least) {
              last = block;
              --ties;
            }
          select.threshold(row.row) = least;
          select.last_tie(row.row) = last;
        });
      });
}

}  // namespace

std::int64_t count_kept(const TopkBudget& budget) {
  std::int64_t kept = 0;
  Kokkos::parallel_reduce(
      "halftone::patterns::topk_count", RowPolicy(0, budget.geometry.rows()),
      KOKKOS_LAMBDA(const std::int64_t r, std::int64_t& sum) { sum += budget.kept(RowIndex(budget.geometry, r)); },
      kept);
  return kept;
}

BlockMask select_topk(const TopkBudget& budget, const Scores& scores) {
  const std::int64_t rows = budget.geometry.rows();
  const TopkSelector select{{budget, scores},
                            Array<std::uint32_t>(uninitialized("halftone::patterns::topk_threshold"), rows),
                            Array<std::int64_t>(uninitialized("halftone::patterns::topk_last_tie"), rows)};
  find_thresholds(select);
  return build_mask(budget.geometry, select);
}

}  // namespace halftone::patterns
