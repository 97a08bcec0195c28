// Masks from rules, at two granularities.
#pragma once

#include "halftone/patterns/block_pairs.hpp"
#include "halftone/patterns/mask_builder.hpp"
#include "halftone/patterns/rule.hpp"

namespace halftone::patterns {

/// A geometry and the unit in which the rule counts. Query position p and key k are the pair
/// (i, j) = (floor(p / unit), floor(k / unit)) of the rule.
///   unit = block_k  "block" granularity: a tile keeps a key block whole when any of its positions may use it;
///   unit = 1        "element" granularity: the rule holds for every pair, blocks are cut where it says so.
struct RuleGrid {
  MaskGeometry geometry;
  std::int64_t unit = 64;  ///< keys

  HALFTONE_FUNCTION bool elements() const { return unit == 1; }
  /// Units per key block.
  HALFTONE_FUNCTION std::int64_t block_units() const { return geometry.block_k / unit; }
  /// Units of keys of the longest sequence.
  HALFTONE_FUNCTION std::int64_t key_units() const { return (geometry.seq_k + unit - 1) / unit; }
};

/// With parameters of its own: of an object's members nvcc takes such an expression for invalid in device code.
template <class Rule>
concept covers_blocks = requires(const Rule& rule, Span span, std::int64_t n) { rule.cover(n, span, span, n); };

/// Applies a rule to blocks (a selector of build_mask). At element granularity a rule may say how it covers a block,
/// as Cover cover(head, rows, columns, n); where it has no such member or answers `some`, the pairs are tried.
template <class Rule>
struct RuleSelector {
  Rule rule;
  RuleGrid grid;

  /// What the rule takes for its head: rules that look at the activations (by_list) tell sequences apart, too.
  HALFTONE_FUNCTION std::int64_t head(const RowIndex& row) const {
    if constexpr (requires { Rule::by_list; })
      return row.batch * grid.geometry.heads + row.head;
    else
      return row.head;
  }

  HALFTONE_FUNCTION std::int64_t columns(const RowIndex& row) const {
    return (grid.geometry.len_k(row.batch) + grid.unit - 1) / grid.unit;
  }

  HALFTONE_FUNCTION bool allowed(const RowIndex& row, std::int64_t position, std::int64_t key) const {
    return rule.allowed(head(row), floor_div(position, grid.unit), key / grid.unit, columns(row));
  }

  HALFTONE_FUNCTION Cover cover(const RowIndex& row, std::int64_t block) const {
    if (grid.elements()) return element_cover(row, block);
    const Span own = own_blocks(grid.geometry, row.batch, row.tile);
    for (std::int64_t i = own.last; i >= own.first; --i)
      if (rule.allowed(head(row), i, block, columns(row))) return Cover::all;
    return Cover::none;
  }

  HALFTONE_FUNCTION Cover element_cover(const RowIndex& row, std::int64_t block) const {
    const BlockPairs pairs(grid.geometry, row, block);
    if constexpr (covers_blocks<Rule>) {
      const Cover cover = rule.cover(head(row), pairs.rows, pairs.keys, columns(row));
      if (cover != Cover::some) return cover;
    }
    return pairs.cover([&](std::int64_t i, std::int64_t j) { return rule.allowed(head(row), i, j, columns(row)); });
  }
};

/// Blocks that the rule keeps.
template <class Rule>
std::int64_t kept_blocks(const Rule& rule, const RuleGrid& grid) {
  return count_blocks(grid.geometry, RuleSelector<Rule>{rule, grid});
}

/// The rule's mask. Rules that answer Cover::window name their window by std::int64_t window_flag().
template <class Rule>
BlockMask rule_mask(const Rule& rule, const RuleGrid& grid) {
  BlockMask mask = build_mask(grid.geometry, RuleSelector<Rule>{rule, grid});
  if constexpr (requires { rule.window_flag(); }) {
    mask.window_left = rule.window_flag() - 1;
    mask.window_right = grid.geometry.causal ? 0 : rule.window_flag() - 1;
  }
  return mask;
}

}  // namespace halftone::patterns
