// The pairs of a block, where nothing but trying them tells what a selector keeps.
#pragma once

#include "halftone/patterns/mask_builder.hpp"
#include "halftone/patterns/rule.hpp"

namespace halftone::patterns {

/// Positions and keys of a visible block, without rows and columns at its corners that no visible pair has.
struct BlockPairs {
  Span rows, keys;
  bool causal;

  HALFTONE_FUNCTION BlockPairs(const MaskGeometry& g, const RowIndex& row, std::int64_t block)
      : rows(tile_positions(g, row.batch, row.tile)),
        keys{block * g.block_k, (block + 1) * g.block_k - 1},
        causal(g.causal) {
    if (keys.last >= g.len_k(row.batch)) keys.last = g.len_k(row.batch) - 1;
    if (causal && rows.first < keys.first) rows.first = keys.first;
    if (causal && keys.last > rows.last) keys.last = rows.last;
  }

  /// The cover by `allowed(position, key)`: none, all or some of the visible pairs.
  template <class Allowed>
  HALFTONE_FUNCTION Cover cover(const Allowed& allowed) const {
    bool any = false, every = true;
    for (std::int64_t i = rows.first; i <= rows.last; ++i) {
      const std::int64_t end = causal && i < keys.last ? i : keys.last;
      for (std::int64_t j = keys.first; j <= end; ++j) {
        const bool ok = allowed(i, j);
        any |= ok;
        every &= ok;
        if (any && !every) return Cover::some;
      }
    }
    return every ? Cover::all : Cover::none;
  }
};

}  // namespace halftone::patterns
