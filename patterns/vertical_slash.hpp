// Columns and diagonals that the last queries attend to.
#pragma once

#include "halftone/patterns/ranks.hpp"
#include "halftone/patterns/rule.hpp"

namespace halftone::patterns {

/// allowed(i, j) = i = j or j < sink or column j is among the `vertical` best of its head or diagonal i - j among the
/// `slash` best: those that hold most of the attention of the sequence's last queries. Jiang et al. 2024, "MInference
/// 1.0: Accelerating Pre-filling for Long-Context LLMs via Dynamic Sparse Attention", algorithm 1. O(1) per pair,
/// O(N (vertical + slash)) kept. Numbers that are not whole are dithered over rows.
struct VerticalSlashRule {
  static constexpr bool by_list = true;

  Dithered vertical, slash;
  std::int64_t sink;
  Ranks columns;      ///< [lists, units of keys]
  Ranks diagonals;    ///< [lists, diagonals]
  std::int64_t back;  ///< index of diagonal 0

  HALFTONE_FUNCTION bool allowed(std::int64_t list, std::int64_t i, std::int64_t j, std::int64_t) const {
    if (i == j || j < sink) return true;
    const std::int64_t row = floor_div(i, vertical.step), diagonal = i - j + back;
    return columns(list, j) < vertical(row, list) || (diagonal >= 0 && diagonals(list, diagonal) < slash(row, list));
  }
};

}  // namespace halftone::patterns
