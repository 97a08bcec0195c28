#include "halftone/eval/quality/attention_quality.hpp"

#include <cmath>
#include <limits>

#include "halftone/core/fast_math.hpp"

namespace halftone::eval {

namespace {

using Team = Kokkos::TeamPolicy<ExecSpace>::member_type;

std::vector<double> to_vector(const Array<double>& values) {
  const auto host = Kokkos::create_mirror_view_and_copy(HostSpace{}, values);
  return {host.data(), host.data() + host.extent(0)};
}

// [heads, 2]: the squared norms of a - b and of b.
template <class T>
std::vector<double> sum_squares_per_head(const Tensor& a, const Tensor& b) {
  const auto x = a.view<T>(), y = b.view<T>();
  const int heads = static_cast<int>(a.shape[1]);
  const std::int64_t batch = a.shape[0], seq = a.shape[2], dim = a.shape[3];
  const Array<double> sums("halftone::eval::squared_errors", 2 * heads);
  Kokkos::parallel_for(
      "halftone::eval::squared_errors", Kokkos::TeamPolicy<ExecSpace>(2 * heads, Kokkos::AUTO),
      KOKKOS_LAMBDA(const Team& team) {
        const int head = team.league_rank() / 2;
        const double with_a = team.league_rank() % 2 == 0 ? 1.0 : 0.0;
        double sum = 0.0;
        Kokkos::parallel_reduce(
            Kokkos::TeamThreadRange(team, batch * seq),
            [&](const std::int64_t row, double& total) {
              for (std::int64_t i = 0; i < dim; ++i) {
                const double d = with_a * double(float(x(row / seq, head, row % seq, i))) -
                                 double(float(y(row / seq, head, row % seq, i)));
                total += d * d;
              }
            },
            sum);
        Kokkos::single(Kokkos::PerTeam(team), [&]() { sums(team.league_rank()) = sum; });
      });
  return to_vector(sums);
}

// Sum of a_i b_i in several partial sums, which compilers vectorise.
template <class T>
KOKKOS_INLINE_FUNCTION float dot(const T* a, const T* b, int dim) {
  constexpr int kLanes = 16;
  float sums[kLanes] = {}, total = 0.0f;
  int i = 0;
  for (; i + kLanes <= dim; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) sums[lane] += float(a[i + lane]) * float(b[i + lane]);
  for (; i < dim; ++i) total += float(a[i]) * float(b[i]);
  for (int lane = 0; lane < kLanes; ++lane) total += sums[lane];
  return total;
}

// One team per (tile, block).
template <class T>
Array<float> block_mass_on_device(const Tensor& q, const Tensor& k, const Array<float>& lse,
                                  const MaskGeometry& geometry, float scale, int batch, int head) {
  const auto queries = q.view<T>(), keys = k.view<T>();
  const int dim = static_cast<int>(q.shape[3]), blocks = geometry.blocks();
  const int kv_head = static_cast<int>(head / (q.shape[1] / k.shape[1]));
  const std::int64_t lse_begin = (batch * q.shape[1] + head) * q.shape[2];
  const MaskGeometry g = geometry;
  const float nothing = std::numeric_limits<float>::quiet_NaN();
  const Array<float> mass("halftone::eval::block_mass", static_cast<std::size_t>(geometry.tiles()) * blocks);
  Kokkos::parallel_for(
      "halftone::eval::block_mass", Kokkos::TeamPolicy<ExecSpace>(geometry.tiles() * blocks, Kokkos::AUTO),
      KOKKOS_LAMBDA(const Team& team) {
        const int tile = team.league_rank() / blocks, block = team.league_rank() % blocks;
        const std::int64_t first = std::int64_t{tile} * g.block_q, begin = std::int64_t{block} * g.block_k;
        const std::int64_t last = first + g.block_q < g.seq_q ? first + g.block_q : g.seq_q;
        double sum = 0.0;
        Kokkos::parallel_reduce(
            Kokkos::TeamThreadRange(team, first, last),
            [&](const std::int64_t query, double& total) {
              const std::int64_t visible = g.visible_keys(batch, query);
              const std::int64_t end = begin + g.block_k < visible ? begin + g.block_k : visible;
              const T* row = &queries(batch, head, query, 0);
              for (std::int64_t key = begin; key < end; ++key)
                total += fast_exp(scale * dot(row, &keys(batch, kv_head, key, 0), dim) - lse(lse_begin + query));
            },
            sum);
        Kokkos::single(Kokkos::PerTeam(team), [&]() {
          const bool seen = block < g.visible_blocks(batch, tile);
          mass(team.league_rank()) = seen ? static_cast<float>(sum / static_cast<double>(last - first)) : nothing;
        });
      });
  return mass;
}

}  // namespace

SquaredError& SquaredError::operator+=(const SquaredError& other) {
  difference += other.difference;
  reference += other.reference;
  return *this;
}

double SquaredError::relative() const { return difference == 0.0 ? 0.0 : std::sqrt(difference / reference); }

std::vector<SquaredError> squared_errors(const Tensor& o, const Tensor& reference) {
  const std::vector<double> sums =
      dispatch_dtype(o.dtype, [&](auto zero) { return sum_squares_per_head<decltype(zero)>(o, reference); });
  std::vector<SquaredError> errors;
  for (std::size_t i = 0; i < sums.size(); i += 2) errors.push_back({sums[i], sums[i + 1]});
  return errors;
}

std::vector<double> captured_mass(const AttentionResult& sparse, const AttentionResult& dense) {
  const int heads = static_cast<int>(sparse.o.shape[1]);
  const std::int64_t batch = sparse.o.shape[0], seq = sparse.o.shape[2];
  const Array<float> lse = sparse.lse, dense_lse = dense.lse, far_mass = sparse.far_mass;
  const Array<double> mass("halftone::eval::captured_mass", heads);
  Kokkos::parallel_for(
      "halftone::eval::captured_mass", Kokkos::TeamPolicy<ExecSpace>(heads, Kokkos::AUTO),
      KOKKOS_LAMBDA(const Team& team) {
        const std::int64_t head = team.league_rank();
        double sum = 0.0;
        Kokkos::parallel_reduce(
            Kokkos::TeamThreadRange(team, batch * seq),
            [&](const std::int64_t row, double& total) {
              const std::int64_t at = ((row / seq) * heads + head) * seq + row % seq;
              total += captured_share(lse(at), dense_lse(at), far_mass.extent(0) ? far_mass(at) : 0.0f);
            },
            sum);
        Kokkos::single(Kokkos::PerTeam(team), [&]() { mass(head) = sum / static_cast<double>(batch * seq); });
      });
  return to_vector(mass);
}

double mean_far_mass(const AttentionResult& sparse) {
  const Array<float> far_mass = sparse.far_mass;
  const std::int64_t rows = static_cast<std::int64_t>(far_mass.extent(0));
  if (rows == 0) return 0.0;
  double sum = 0.0;
  Kokkos::parallel_reduce(
      "halftone::eval::far_mass", Kokkos::RangePolicy<ExecSpace>(0, rows),
      KOKKOS_LAMBDA(const std::int64_t i, double& total) { total += far_mass(i); }, sum);
  return sum / static_cast<double>(rows);
}

std::vector<float> block_mass(const Tensor& q, const Tensor& k, const Array<float>& lse, const MaskGeometry& geometry,
                              float scale, int batch, int head) {
  const Array<float> mass = dispatch_dtype(q.dtype, [&](auto zero) {
    return block_mass_on_device<decltype(zero)>(q, k, lse, geometry, scale, batch, head);
  });
  const auto host = Kokkos::create_mirror_view_and_copy(HostSpace{}, mass);
  return {host.data(), host.data() + host.extent(0)};
}

}  // namespace halftone::eval
