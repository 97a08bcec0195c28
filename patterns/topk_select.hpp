// Per-row selection by mean-pooled scores: how many blocks a row keeps, and which.
#pragma once

#include "halftone/patterns/mask_builder.hpp"
#include "halftone/patterns/rule.hpp"

namespace halftone::patterns {

/// How many blocks each row keeps: a share of its visible ones, rounded up or down by dither, and never fewer than
/// those that are forced - the tile's own, `local` blocks before them (not causal: and after), the first `sink`.
struct TopkBudget {
  MaskGeometry geometry;
  std::int64_t sink, local;
  double share;

  HALFTONE_FUNCTION std::int64_t visible(const RowIndex& row) const {
    return geometry.visible_blocks(row.batch, row.tile);
  }

  HALFTONE_FUNCTION Span near(const RowIndex& row) const {
    const Span own = own_blocks(geometry, row.batch, row.tile);
    return {own.first - local, own.last + (geometry.causal ? 0 : local)};
  }

  HALFTONE_FUNCTION bool forced(const RowIndex& row, std::int64_t block) const {
    const Span n = near(row);
    return block < sink || (block >= n.first && block <= n.last);
  }

  HALFTONE_FUNCTION std::int64_t kept(const RowIndex& row) const {
    const std::int64_t all = visible(row);
    if (all == 0) return 0;
    const std::int64_t leading = sink < all ? sink : all;
    Span n = near(row);
    if (n.first < leading) n.first = leading;
    if (n.last > all - 1) n.last = all - 1;
    const std::int64_t due = leading + (n.last < n.first ? 0 : n.last - n.first + 1);
    const double wanted = share * static_cast<double>(all);
    std::int64_t count = static_cast<std::int64_t>(wanted);
    const double rest = (wanted - static_cast<double>(count)) * 0x1.0p32;
    if (dither(row.tile, row.batch * geometry.heads + row.head) < rest) ++count;
    if (count < due) count = due;
    return count < 1 ? 1 : count;
  }
};

/// Blocks kept over all rows.
std::int64_t count_kept(const TopkBudget& budget);

/// Mask of the best budget.kept(row) blocks of every row by `scores` [rows, blocks], forced blocks first, the lower
/// index first among equals; NaN loses against everything. O(32 blocks) per row.
BlockMask select_topk(const TopkBudget& budget,
                      const Kokkos::View<const float**, Kokkos::LayoutRight, MemSpace>& scores);

}  // namespace halftone::patterns
