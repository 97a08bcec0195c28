#include "halftone/eval/quality/query_quality.hpp"

#include <algorithm>
#include <cmath>

#include "halftone/eval/quality/attention_quality.hpp"

namespace halftone::eval {
namespace {

std::vector<float> to_vector(const Array<float>& values) {
  const auto host = Kokkos::create_mirror_view_and_copy(HostSpace{}, values);
  return {host.data(), host.data() + host.extent(0)};
}

template <class T>
QueryQuality compare_rows(const AttentionResult& sparse, const AttentionResult& dense) {
  const auto o = sparse.o.view<T>(), reference = dense.o.view<T>();
  const std::int64_t heads = o.extent(1), seq = o.extent(2), dim = o.extent(3), rows = o.extent(0) * heads * seq;
  const Array<float> lse = sparse.lse, dense_lse = dense.lse, far_mass = sparse.far_mass;
  const Array<float> error(uninitialized("halftone::eval::query_error"), rows);
  const Array<float> cosine(uninitialized("halftone::eval::query_cosine"), rows);
  const Array<float> lse_error(uninitialized("halftone::eval::query_lse_error"), rows);
  const Array<float> missed(uninitialized("halftone::eval::query_missed"), rows);
  const Array<float> far(uninitialized("halftone::eval::query_far_mass"), rows);
  Kokkos::parallel_for(
      "halftone::eval::compare_queries", Kokkos::RangePolicy<ExecSpace, Kokkos::IndexType<std::int64_t>>(0, rows),
      KOKKOS_LAMBDA(const std::int64_t r) {
        double difference = 0.0, norm = 0.0, norm_reference = 0.0, product = 0.0;
        for (std::int64_t i = 0; i < dim; ++i) {
          const double a = float(o(r / seq / heads, r / seq % heads, r % seq, i));
          const double b = float(reference(r / seq / heads, r / seq % heads, r % seq, i));
          difference += (a - b) * (a - b);
          norm += a * a;
          norm_reference += b * b;
          product += a * b;
        }
        const bool sees = dense_lse(r) != -INFINITY;
        far(r) = far_mass.extent(0) ? far_mass(r) : 0.0f;
        error(r) = difference == 0.0 ? 0.0f : static_cast<float>(std::sqrt(difference / norm_reference));
        cosine(r) = difference == 0.0 ? 1.0f : static_cast<float>(product / std::sqrt(norm * norm_reference));
        lse_error(r) = sees ? std::fabs(lse(r) - dense_lse(r)) : 0.0f;
        missed(r) = static_cast<float>(1.0 - captured_share(lse(r), dense_lse(r), far(r)));
      });
  return {to_vector(error), to_vector(cosine), to_vector(lse_error), to_vector(missed), to_vector(far)};
}

}  // namespace

QueryQuality compare_queries(const AttentionResult& sparse, const AttentionResult& dense) {
  return dispatch_dtype(sparse.o.dtype, [&](auto zero) { return compare_rows<decltype(zero)>(sparse, dense); });
}

std::vector<double> mean_per_head(const std::vector<float>& values, const Tensor::Shape& shape) {
  std::vector<double> means(shape[1], 0.0);
  for (std::size_t i = 0; i < values.size(); ++i)
    means[i / shape[2] % shape[1]] += values[i] / static_cast<double>(shape[0] * shape[2]);
  return means;
}

std::vector<double> far_mass_per_head(const AttentionResult& sparse) {
  return mean_per_head(to_vector(sparse.far_mass), sparse.o.shape);
}

void Indicator::add(const QueryQuality& quality) {
  for (std::size_t i = 0; i < quality.far_mass.size(); ++i) {
    if (!(quality.far_mass[i] > 0.0f)) continue;
    const std::size_t bin = std::upper_bound(kFrom.begin(), kFrom.end(), quality.far_mass[i]) - kFrom.begin() - 1;
    queries[bin] += 1.0;
    error[bin] += quality.error[i];
    missed[bin] += quality.missed[i];
  }
}

}  // namespace halftone::eval
