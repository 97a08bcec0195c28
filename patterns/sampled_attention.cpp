#include "halftone/patterns/sampled_attention.hpp"

#include <cmath>

#include "halftone/patterns/rule.hpp"

namespace halftone::patterns {
namespace {

using TeamPolicy = Kokkos::TeamPolicy<ExecSpace>;

/// The logsumexp of every sample, its row read twice.
void sum_rows(const SampledAttention& attention) {
  const std::int64_t samples = attention.runs.count, lists = attention.log_sum.extent(0);
  Kokkos::parallel_for(
      "halftone::patterns::sample_rows", TeamPolicy(static_cast<int>(lists * samples), Kokkos::AUTO),
      KOKKOS_LAMBDA(const TeamPolicy::member_type& team) {
        const std::int64_t list = team.league_rank() / samples, sample = team.league_rank() % samples;
        const std::int64_t visible = attention.visible(list, sample);
        float peak = 0.0f, sum = 0.0f;
        Kokkos::parallel_reduce(
            Kokkos::TeamThreadRange(team, visible),
            [&](const std::int64_t key, float& top) {
              const float x = attention.logit(list, sample, key);
              top = x > top ? x : top;
            },
            Kokkos::Max<float>(peak));
        Kokkos::parallel_reduce(
            Kokkos::TeamThreadRange(team, visible),
            [&](const std::int64_t key, float& part) { part += fast_exp(attention.logit(list, sample, key) - peak); },
            sum);
        Kokkos::single(Kokkos::PerTeam(team), [&] { attention.log_sum(list, sample) = peak + std::log(sum); });
      });
}

}  // namespace

SampledAttention sample_attention(const PatternRequest& request, const Runs& runs) {
  const MaskGeometry& g = request.geometry;
  const std::int64_t lists = std::int64_t{g.batch} * g.heads;
  const SampledAttention attention{g,
                                   runs,
                                   pooled(*request.q, g.cu_seqlens_q, g.batch, runs),
                                   pooled_keys(request, 1),
                                   attention_scale(request),
                                   Scores(uninitialized("halftone::patterns::sample_log_sum"), lists, runs.count)};
  sum_rows(attention);
  return attention;
}

Scores column_mass(const SampledAttention& attention, std::int64_t unit) {
  const MaskGeometry g = attention.geometry;
  const std::int64_t units = (g.seq_k + unit - 1) / unit, lists = attention.log_sum.extent(0);
  const Scores mass(uninitialized("halftone::patterns::column_mass"), lists, units);
  Kokkos::parallel_for(
      "halftone::patterns::column_mass", RowPolicy(0, lists * units), KOKKOS_LAMBDA(const std::int64_t i) {
        const std::int64_t list = i / units, first = i % units * unit;
        float sum = 0.0f;
        for (std::int64_t sample = 0; sample < attention.runs.count; ++sample)
          sum += attention.mass(list, sample, first, first + unit);
        mass(list, i % units) = first < g.len_k(list / g.heads) ? sum : -1.0f;
      });
  return mass;
}

Scores diagonal_mass(const SampledAttention& attention, std::int64_t unit, std::int64_t back, std::int64_t diagonals) {
  const std::int64_t lists = attention.log_sum.extent(0);
  const Scores mass(uninitialized("halftone::patterns::diagonal_mass"), lists, diagonals);
  Kokkos::parallel_for(
      "halftone::patterns::diagonal_mass", RowPolicy(0, lists * diagonals), KOKKOS_LAMBDA(const std::int64_t i) {
        const std::int64_t list = i / diagonals, offset = i % diagonals - back;
        float sum = 0.0f;
        for (std::int64_t sample = 0; sample < attention.runs.count; ++sample) {
          const std::int64_t column = floor_div(attention.position(list, sample), unit) - offset;
          sum += attention.mass(list, sample, column * unit, (column + 1) * unit);
        }
        mass(list, i % diagonals) = sum;
      });
  return mass;
}

}  // namespace halftone::patterns
