#include "halftone/patterns/topk_select.hpp"

#include <limits>

#include "halftone/patterns/ordered_bits.hpp"

namespace halftone::patterns {
namespace {

struct TopkKeys {
  TopkBudget budget;
  Scores scores;

  HALFTONE_FUNCTION std::uint32_t operator()(const RowIndex& row, std::int64_t block) const {
    return budget.forced(row, block) ? 0xffffffffu : ordered_bits(scores(row.row, block));
  }

  /// What a block counts towards the row's share.
  HALFTONE_FUNCTION double weight(const RowIndex& row, std::int64_t block) const {
    if (budget.share_of == ShareOf::blocks) return 1.0;
    const float score = scores(row.row, block);
    return score > 0.0f ? score : 0.0;
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

/// Sum of the weights of the row's blocks with keys of at least `least`.
HALFTONE_FUNCTION inline double weight_reaching(const Team& team, const TopkKeys& keys, const RowIndex& row,
                                                std::uint32_t least) {
  double sum = 0.0;
  Kokkos::parallel_reduce(
      Kokkos::TeamThreadRange(team, keys.budget.visible(row)),
      [&](const std::int64_t block, double& part) {
        if (keys(row, block) >= least) part += keys.weight(row, block);
      },
      sum);
  return sum;
}

constexpr double kEverything = std::numeric_limits<double>::infinity();
constexpr double kSomething = std::numeric_limits<double>::min();  // which any block with a positive score reaches

/// The weight that the kept blocks of a row must reach.
HALFTONE_FUNCTION inline double wanted_weight(const Team& team, const TopkKeys& keys, const RowIndex& row) {
  const TopkBudget& budget = keys.budget;
  if (budget.share_of == ShareOf::blocks) return static_cast<double>(budget.kept(row));
  if (budget.share >= 1.0) return kEverything;
  const double due = weight_reaching(team, keys, row, 0xffffffffu);
  const double wanted = budget.share * weight_reaching(team, keys, row, 0);
  const double most = due > wanted ? due : wanted;
  return most > 0.0 ? most : kSomething;
}

/// Finds the threshold bit by bit: the largest key whose blocks reach the wanted weight.
void find_thresholds(const TopkSelector& select) {
  const TopkKeys keys = select.keys;
  Kokkos::parallel_for(
      "halftone::patterns::topk_threshold", TeamPolicy(static_cast<int>(keys.budget.geometry.rows()), Kokkos::AUTO),
      KOKKOS_LAMBDA(const Team& team) {
        const RowIndex row(keys.budget.geometry, team.league_rank());
        const double wanted = wanted_weight(team, keys, row);
        std::uint32_t least = 0;
        for (int bit = 31; bit >= 0; --bit) {
          const std::uint32_t higher = least | std::uint32_t{1} << bit;
          if (weight_reaching(team, keys, row, higher) >= wanted) least = higher;
        }
        double reached = least == 0xffffffffu ? 0.0 : weight_reaching(team, keys, row, least + 1);
        Kokkos::single(Kokkos::PerTeam(team), [&]() {
          std::int64_t last = -1;
          for (std::int64_t block = 0; block < keys.budget.visible(row) && reached < wanted; ++block)
            if (keys(row, block) == least) {
              last = block;
              reached += keys.weight(row, block);
            }
          select.threshold(row.row) = least;
          select.last_tie(row.row) = last;
        });
      });
}

TopkSelector selector(const TopkBudget& budget, const Scores& scores) {
  const std::int64_t rows = budget.geometry.rows();
  const TopkSelector select{{budget, scores},
                            Array<std::uint32_t>(uninitialized("halftone::patterns::topk_threshold"), rows),
                            Array<std::int64_t>(uninitialized("halftone::patterns::topk_last_tie"), rows)};
  find_thresholds(select);
  return select;
}

}  // namespace

std::int64_t count_topk(const TopkBudget& budget, const Scores& scores) {
  if (budget.share_of == ShareOf::mass) return count_blocks(budget.geometry, selector(budget, scores));
  std::int64_t kept = 0;
  Kokkos::parallel_reduce(
      "halftone::patterns::topk_count", RowPolicy(0, budget.geometry.rows()),
      KOKKOS_LAMBDA(const std::int64_t r, std::int64_t& sum) { sum += budget.kept(RowIndex(budget.geometry, r)); },
      kept);
  return kept;
}

BlockMask select_topk(const TopkBudget& budget, const Scores& scores) {
  return build_mask(budget.geometry, selector(budget, scores));
}

}  // namespace halftone::patterns
