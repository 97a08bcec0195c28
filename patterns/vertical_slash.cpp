#include "halftone/patterns/vertical_slash.hpp"

#include <algorithm>

#include "halftone/patterns/entries.hpp"
#include "halftone/patterns/rule_call.hpp"
#include "halftone/patterns/sampled_attention.hpp"

namespace halftone::patterns {
namespace {

constexpr ParameterInfo kParameters[] = {
    kGranularity,
    {"vertical", "8", "budget, with a density the same as slash: columns of key blocks (element: keys)"},
    {"slash", "8", "budget, with a density the same as vertical: diagonals of key blocks (element: keys)"},
    {"queries", "64", "the last ones of the sequence, whose attention decides"},
    kSinkBlocks};

BlockMask make_vertical_slash(const PatternRequest& request, const nlohmann::json& values) {
  RuleCall call(vertical_slash_pattern, request, values, Lists::by_head_and_sequence);
  Parameters& parameters = call.parameters;
  const std::int64_t sink = call.block_length("sink_blocks"), queries = parameters.integer("queries", 1);
  const std::int64_t unit = call.grid.unit, units = call.grid.key_units();
  // A position may lie up to seq_q before the first key; causal diagonals look back only.
  const std::int64_t back = call.causal() ? 0 : units + (request.geometry.seq_q + unit - 1) / unit;
  const SampledAttention last =
      sample_attention(request, {1, std::min(queries, request.geometry.seq_q), /*from_end=*/true});
  const Ranks columns = rank_rows(column_mass(last, unit));
  const Ranks diagonals = rank_rows(diagonal_mass(last, unit, back, back + units));

  const DitherScale scale{call.grid.block_units()};
  const auto rule = [&](double vertical, double slash) {
    return VerticalSlashRule{scale.count(vertical), scale.count(slash), sink, columns, diagonals, back};
  };
  if (call.density == 0.0) return call.mask(rule(call.length("vertical", 0.0), call.length("slash", 0.0)));

  const bool vertical_given = parameters.given("vertical"), slash_given = parameters.given("slash");
  if (vertical_given) parameters.reject_beside_density("slash");
  const auto both = [&](double steps) {
    return std::pair(vertical_given ? call.length("vertical", 0.0) : scale.value(steps),
                     slash_given ? call.length("slash", 0.0) : scale.value(steps));
  };
  const double most = static_cast<double>((back + units + scale.step - 1) / scale.step);
  const auto [vertical, slash] = both(call.solve(most, [&](double steps) {
    const auto counts = both(steps);
    return rule(counts.first, counts.second);
  }));
  parameters.record("vertical", vertical);
  parameters.record("slash", slash);
  return call.mask(rule(vertical, slash));
}

}  // namespace

const PatternInfo vertical_slash_pattern = {
    "vertical_slash",
    "the columns and diagonals that hold most of the last queries' attention, and leading sinks",
    "MInference, Jiang et al. 2024",
    "O(heads (queries N dim + N^2 / (block_q block_k))) time, O(heads_kv N dim) memory",
    true,
    kParameters,
    make_vertical_slash};

}  // namespace halftone::patterns
