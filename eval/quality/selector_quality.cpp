#include "halftone/eval/quality/selector_quality.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "halftone/eval/quality/attention_quality.hpp"
#include "halftone/kernels/attention.hpp"

namespace halftone::eval {
namespace {

using Team = Kokkos::TeamPolicy<ExecSpace>::member_type;

/// The `count` columns with the largest values (NaN lose), in no order.
std::vector<std::int32_t> largest(const float* values, std::int32_t columns, std::int64_t count) {
  std::vector<std::int32_t> order(columns);
  std::iota(order.begin(), order.end(), 0);
  const auto value = [&](std::int32_t c) { return std::isnan(values[c]) ? -1.0f : values[c]; };
  std::nth_element(order.begin(), order.begin() + count, order.end(),
                   [&](std::int32_t a, std::int32_t b) { return value(a) > value(b); });
  order.resize(count);
  return order;
}

// [heads, 3]: sum, sum of squares and number of the differences of [batch, heads, tiles, representatives, blocks].
HostArray<double> sum_differences(const Array<float>& estimate, const Array<float>& truth, const MaskGeometry& geometry,
                                  std::int64_t representatives) {
  const MaskGeometry g = geometry;
  const std::int64_t blocks = g.blocks(), each = g.tiles() * representatives * blocks;
  const Array<double> sums("halftone::eval::log_mass_errors", 3 * g.heads);
  Kokkos::parallel_for(
      "halftone::eval::log_mass_errors", Kokkos::TeamPolicy<ExecSpace>(3 * g.heads, Kokkos::AUTO),
      KOKKOS_LAMBDA(const Team& team) {
        const int head = team.league_rank() / 3, power = team.league_rank() % 3;
        double sum = 0.0;
        Kokkos::parallel_reduce(
            Kokkos::TeamThreadRange(team, g.batch * each),
            [&](const std::int64_t i, double& total) {
              const std::int64_t b = i / each, block = i % blocks, tile = i % each / blocks / representatives;
              if (block >= g.past_blocks(b, tile)) return;
              const std::int64_t at = (b * g.heads + head) * each + i % each;
              const double difference = double(estimate(at)) - double(truth(at));
              if (difference == difference)
                total += power == 0 ? difference : power == 1 ? difference * difference : 1.0;
            },
            sum);
        Kokkos::single(Kokkos::PerTeam(team), [&]() { sums(team.league_rank()) = sum; });
      });
  return Kokkos::create_mirror_view_and_copy(HostSpace{}, sums);
}

template <class T>
std::vector<double> mean_entropy(const Tensor& q, const AttentionResult& mean_key, float scale) {
  const auto queries = q.view<T>(), keys = mean_key.o.view<T>();
  const Array<float> lse = mean_key.lse;
  const std::int64_t heads = q.shape[1], seq = q.shape[2], dim = q.shape[3], each = q.shape[0] * seq;
  const Array<double> entropy("halftone::eval::attention_entropy", heads);
  Kokkos::parallel_for(
      "halftone::eval::attention_entropy", Kokkos::TeamPolicy<ExecSpace>(static_cast<int>(heads), Kokkos::AUTO),
      KOKKOS_LAMBDA(const Team& team) {
        const std::int64_t head = team.league_rank();
        double sum = 0.0;
        Kokkos::parallel_reduce(
            Kokkos::TeamThreadRange(team, each),
            [&](const std::int64_t row, double& total) {
              double logit = 0.0;
              for (std::int64_t i = 0; i < dim; ++i)
                logit += double(float(queries(row / seq, head, row % seq, i))) *
                         double(float(keys(row / seq, head, row % seq, i)));
              total += double(lse((row / seq * heads + head) * seq + row % seq)) - double(scale) * logit;
            },
            sum);
        Kokkos::single(Kokkos::PerTeam(team), [&]() { entropy(head) = sum / static_cast<double>(each); });
      });
  const auto host = Kokkos::create_mirror_view_and_copy(HostSpace{}, entropy);
  return {host.data(), host.data() + heads};
}

float default_scale(const Tensor& q) { return 1.0f / std::sqrt(static_cast<float>(q.shape[3])); }

}  // namespace

std::vector<double> oracle_recall(const BlockMask& mask, const Tensor& q, const Tensor& k, const Array<float>& lse,
                                  const MaskGeometry& geometry) {
  const auto row_ptr = Kokkos::create_mirror_view_and_copy(HostSpace{}, mask.row_ptr);
  const auto col_idx = Kokkos::create_mirror_view_and_copy(HostSpace{}, mask.col_idx);
  std::vector<double> recall;
  for (std::int32_t head = 0; head < geometry.heads; ++head) {
    const std::vector<float> mass = block_mass(q, k, lse, geometry, default_scale(q), 0, head);
    std::int64_t found = 0, kept = 0;
    for (std::int32_t tile = 0; tile < mask.tiles; ++tile) {
      const std::int64_t row = mask.view().row(0, head, geometry.heads, tile);
      const auto begin = col_idx.data() + row_ptr(row), end = col_idx.data() + row_ptr(row + 1);
      for (const std::int32_t block : largest(mass.data() + std::int64_t{tile} * mask.blocks, mask.blocks, end - begin))
        found += std::binary_search(begin, end, block);
      kept += end - begin;
    }
    recall.push_back(static_cast<double>(found) / static_cast<double>(kept));
  }
  return recall;
}

std::vector<LogMassError> log_mass_errors(const patterns::HalftoneLayer& layer, const MaskGeometry& geometry,
                                          const patterns::HalftoneOptions& options) {
  patterns::HalftoneOptions exact;
  exact.micro_block = 1;
  exact.block_mass = patterns::BlockMass::sum;
  exact.representatives = options.representatives;
  const auto sums =
      sum_differences(patterns::halftone_log_mass(layer, geometry, options),
                      patterns::halftone_log_mass(layer, geometry, exact), geometry, options.representatives);
  std::vector<LogMassError> errors;
  for (std::int32_t head = 0; head < geometry.heads; ++head)
    errors.push_back({sums(3 * head) / sums(3 * head + 2), std::sqrt(sums(3 * head + 1) / sums(3 * head + 2))});
  return errors;
}

std::vector<double> attention_entropy(const Tensor& q, const Tensor& k, std::string_view kernel) {
  AttentionOptions options;
  options.kernel = kernel;
  const AttentionResult mean_key = block_sparse_attention(q, k, k, options);
  return dispatch_dtype(q.dtype,
                        [&](auto zero) { return mean_entropy<decltype(zero)>(q, mean_key, default_scale(q)); });
}

}  // namespace halftone::eval
