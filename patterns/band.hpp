// What most structured patterns share: a window around the own position and leading columns for everyone.
#pragma once

#include "halftone/patterns/rule.hpp"

namespace halftone::patterns {

/// allowed(i, j) = j < leading or |i - j| < window(i). O(1).
struct Band {
  Dithered window;           ///< units from the own position to the farthest one, itself included
  std::int64_t leading = 0;  ///< units; a multiple of the block size, so that no block is cut
  bool causal = true;

  HALFTONE_FUNCTION std::int64_t reach(std::int64_t i) const { return window(floor_div(i, window.step)); }

  HALFTONE_FUNCTION bool allowed(std::int64_t i, std::int64_t j) const {
    const std::int64_t distance = i < j ? j - i : i - j;
    return j < leading || distance < reach(i);
  }

  /// Cover of the visible pairs in rows x columns (none of the corners' rows and columns being wholly invisible),
  /// at element granularity. Says `some` when it cannot tell.
  HALFTONE_FUNCTION Cover cover(Span rows, Span columns) const {
    if (columns.last < leading) return Cover::all;
    std::int64_t narrow = reach(rows.first), wide = narrow;
    for (std::int64_t i = (floor_div(rows.first, window.step) + 1) * window.step; i <= rows.last; i += window.step) {
      const std::int64_t r = reach(i);
      if (r < narrow) narrow = r;
      if (r > wide) wide = r;
    }
    const std::int64_t behind = rows.last - columns.first, ahead = causal ? 0 : columns.last - rows.first;
    if ((behind > ahead ? behind : ahead) < narrow) return Cover::all;
    const std::int64_t gap_behind = rows.first - columns.last, gap_ahead = columns.first - rows.last;
    if ((gap_behind > gap_ahead ? gap_behind : gap_ahead) >= wide) return Cover::none;
    return narrow == wide && wide == window.low ? Cover::window : Cover::some;
  }
};

}  // namespace halftone::patterns
