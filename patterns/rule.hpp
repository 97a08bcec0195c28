// The vocabulary of pattern rules. A rule is a small struct that kernels copy, with
//   bool allowed(head, i, j, n)
// the definition of the pattern: may row i of the score matrix use column j, of n? (Rules that look at the activations
// say by_list and get batch * heads + head for the head.) Rows are positions of queries on
// the key axis (query + len_k - len_q), so that i == j is the diagonal. Rules count in units of one key, or of one key
// block (RuleGrid). Causality and the ends of sequences come on top and are not the rule's business, except where the
// number of candidates depends on them.
#pragma once

#include <cmath>
#include <cstdint>

#include "halftone/core/mask_geometry.hpp"

namespace halftone::patterns {

/// What a rule says about the visible pairs of one block.
enum class Cover : std::uint8_t {
  none,
  all,
  window,  ///< exactly those within the mask's window
  some,
};

HALFTONE_FUNCTION constexpr std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  return a >= 0 ? a / b : -((b - 1 - a) / b);
}

/// Additive recurrence on the golden ratio, in units of 2^-32: any run of indices is spread evenly over [0, 2^32).
/// `lane` shifts the sequence, for heads that should not all round up in the same rows.
HALFTONE_FUNCTION constexpr std::uint32_t dither(std::int64_t index, std::int64_t lane = 0) {
  return (static_cast<std::uint32_t>(index) + 1u) * 2654435769u + static_cast<std::uint32_t>(lane) * 3242174889u;
}

/// A count that need not be whole: a share of the rows gets `step` more than `low`, so that the mean over rows is the
/// wanted number. Growing the number never shrinks a row.
struct Dithered {
  std::int64_t low = 0, step = 1;
  std::uint64_t share = 0;  ///< of 2^32 rows

  HALFTONE_FUNCTION std::int64_t operator()(std::int64_t index, std::int64_t lane = 0) const {
    return low + (dither(index, lane) < share ? step : 0);
  }
  HALFTONE_FUNCTION std::int64_t most() const { return low + (share > 0 ? step : 0); }
};

/// How real numbers become Dithered counts: whole numbers hold for every row, others are dithered between the
/// neighbours of the form origin + step * integer.
struct DitherScale {
  std::int64_t step = 1, origin = 0;

  Dithered count(double value) const {
    if (std::floor(value) == value) return {static_cast<std::int64_t>(value), step, 0};
    const double steps = (value - static_cast<double>(origin)) / static_cast<double>(step), low = std::floor(steps);
    return {origin + static_cast<std::int64_t>(low) * step, step, static_cast<std::uint64_t>((steps - low) * 0x1.0p32)};
  }

  /// The value this many steps above the origin, moved off whole numbers that would not be dithered though they should.
  double value(double steps) const {
    const double value = static_cast<double>(origin) + steps * static_cast<double>(step);
    return std::floor(value) == value && std::floor(steps) != steps ? value + 0x1.0p-10 : value;
  }
};

/// An inclusive range.
struct Span {
  std::int64_t first, last;
};

/// Positions on the key axis of the queries of a tile; causal: of those that see at least one key.
HALFTONE_FUNCTION inline Span tile_positions(const MaskGeometry& g, std::int64_t b, std::int64_t tile) {
  const std::int64_t shift = g.len_k(b) - g.len_q(b), begin = tile * g.block_q, end = begin + g.block_q;
  const std::int64_t first = begin + shift, last = (end < g.len_q(b) ? end : g.len_q(b)) - 1 + shift;
  return {g.causal && first < 0 ? 0 : first, last};
}

/// Key blocks that hold the positions of a tile: its diagonal. They lie outside the keys where positions are negative.
HALFTONE_FUNCTION inline Span own_blocks(const MaskGeometry& g, std::int64_t b, std::int64_t tile) {
  const Span p = tile_positions(g, b, tile);
  return {floor_div(p.first, g.block_k), floor_div(p.last, g.block_k)};
}

}  // namespace halftone::patterns
