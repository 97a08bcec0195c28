// Per-row selection by scores: how many blocks a row keeps, and which.
#pragma once

#include "halftone/patterns/mask_builder.hpp"
#include "halftone/patterns/rule.hpp"

namespace halftone::patterns {

/// Of what a row keeps a share.
enum class ShareOf {
  blocks,  ///< its visible blocks, rounded up or down by dither
  mass     ///< the sum of its scores (what is not positive counts as 0): the fewest blocks that reach it, one at least
};

/// What each row keeps: a share, and never less than the blocks that are forced - the tile's own, `local` blocks before
/// them (not causal: and after), the first `sink`.
struct TopkBudget {
  MaskGeometry geometry;
  std::int64_t sink, local;
  double share;
  ShareOf share_of = ShareOf::blocks;

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

  /// Blocks that a row keeps by a share of its blocks.
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

/// [rows, blocks]
using Scores = Kokkos::View<float**, Kokkos::LayoutRight, MemSpace>;

/// Blocks kept over all rows.
std::int64_t count_topk(const TopkBudget& budget, const Scores& scores);

/// Mask of the best blocks of every row by `scores`, as many as the budget says: forced blocks first, the lower index
/// first among equals; NaN loses against everything. O(32 blocks) per row.
BlockMask select_topk(const TopkBudget& budget, const Scores& scores);

}  // namespace halftone::patterns
