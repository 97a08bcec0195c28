// One call of a rule pattern: its grid, its parameters and the budget that meets a density.
#pragma once

#include <algorithm>
#include <limits>

#include "halftone/patterns/density.hpp"
#include "halftone/patterns/parameters.hpp"
#include "halftone/patterns/rule_mask.hpp"

namespace halftone::patterns {

inline constexpr ParameterInfo kGranularity = {
    "granularity", "block",
    "block: the rule decides on whole key blocks; element: on single keys, blocks are cut by flags or bits"};
inline constexpr ParameterInfo kSinkBlocks = {"sink_blocks", "1", "leading key blocks that every query sees"};

/// Which heads and sequences a list of blocks serves. Sequences of a packed batch have lists of their own in any case.
enum class Lists {
  shared,               ///< all of them
  by_head,              ///< one head, of every sequence
  by_head_and_sequence  ///< one head of one sequence
};

struct RuleCall {
  Parameters parameters;
  double density;
  RuleGrid grid;

  RuleCall(const PatternInfo& pattern, const PatternRequest& request, const nlohmann::json& values,
           Lists lists = Lists::shared)
      : parameters(pattern, values), density(request.density), grid{request.geometry} {
    if (lists == Lists::shared) grid.geometry.heads = 1;
    if (lists != Lists::by_head_and_sequence && !grid.geometry.cu_seqlens_q) grid.geometry.batch = 1;
    grid.unit = parameters.choice("granularity", {"block", "element"}) == "element" ? 1 : grid.geometry.block_k;
  }

  bool causal() const { return grid.geometry.causal; }
  std::int64_t visible() const { return count_visible_blocks(grid.geometry); }

  /// A parameter in key blocks, as units of the rule.
  std::int64_t block_length(std::string_view name) { return parameters.integer(name, 0) * grid.block_units(); }

  /// A parameter in units of the rule; the table's default is in blocks.
  double length(std::string_view name, double least) {
    return parameters.real(name, least, std::numeric_limits<std::int32_t>::max(), grid.block_units());
  }
  std::int64_t whole_length(std::string_view name) { return parameters.integer(name, 1, grid.block_units()); }

  /// Windows include the own position: one unit, then blocks beyond it.
  DitherScale window_scale() const { return {grid.block_units(), 1}; }

  template <class Rule>
  std::int64_t kept(const Rule& rule) const {
    return kept_blocks(rule, grid);
  }

  /// Steps in [0, most] whose rule, make_rule(steps), meets the density.
  template <class MakeRule>
  double solve(double most, const MakeRule& make_rule) const {
    return solve_budget(parameters.pattern(), density, visible(), 0.0, most,
                        [&](double steps) { return kept(make_rule(steps)); });
  }

  /// The rule's budget: parameter `name` as given, or solved for where a density is wanted.
  template <class MakeRule>
  double budget(std::string_view name, const DitherScale& scale, const MakeRule& make_rule) {
    if (density == 0.0) return length(name, static_cast<double>(scale.origin));
    parameters.reject_beside_density(name);
    const double value =
        scale.value(solve(grid.geometry.blocks(), [&](double steps) { return make_rule(scale.value(steps)); }));
    parameters.record(name, value);
    return value;
  }

  /// The distance between a rule's columns: parameter `stride` as given. Where a density is wanted and no stride given,
  /// the diagonal and the sink are due in any case, and the columns may spend half of what is left;
  /// make_rule(stride) is the rule of those parts alone.
  template <class MakeRule>
  std::int64_t stride(const MakeRule& make_rule) {
    if (density == 0.0 || parameters.given("stride")) return whole_length("stride");
    const auto kept_at = [&](std::int64_t stride) { return kept(make_rule(stride)); };
    const std::int64_t most = grid.key_units();
    const auto due = static_cast<double>(std::min(kept_at(1), kept_at(most)));
    const double target = (due + density * static_cast<double>(visible())) / 2.0;
    const std::int64_t stride = solve_integer(target, 1, most, kept_at);
    parameters.record("stride", stride);
    return stride;
  }

  template <class Rule>
  BlockMask mask(const Rule& rule) const {
    return parameters.label(rule_mask(rule, grid));
  }
};

}  // namespace halftone::patterns
