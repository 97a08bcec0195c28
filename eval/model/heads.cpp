#include "halftone/eval/model/heads.hpp"

#include <cmath>

namespace halftone::eval {

using Policy = Kokkos::TeamPolicy<ExecSpace>;

RotaryTable rotary_table(std::size_t positions, int dim, double theta) {
  const int half = dim / 2;
  const Matrix cos(uninitialized("halftone::eval::rotary_cos"), positions, half);
  const Matrix sin(uninitialized("halftone::eval::rotary_sin"), positions, half);
  Kokkos::parallel_for(
      "halftone::eval::rotary_table", Policy(static_cast<int>(positions), Kokkos::AUTO),
      KOKKOS_LAMBDA(const Policy::member_type& team) {
        const int p = team.league_rank();
        Kokkos::parallel_for(Kokkos::TeamThreadRange(team, half), [&](int j) {
          const double angle = p * std::pow(theta, -2.0 * j / dim);
          cos(p, j) = static_cast<float>(std::cos(angle));
          sin(p, j) = static_cast<float>(std::sin(angle));
        });
      });
  return {cos, sin};
}

Tensor split_heads(const Matrix& x, int first_column, int heads, int dim) {
  const int seq = static_cast<int>(x.extent(0));
  const Tensor tensor("halftone::eval::heads", DType::float32, {1, heads, seq, dim});
  const auto y = tensor.view<float>();
  Kokkos::parallel_for(
      "halftone::eval::split_heads", Policy(seq, Kokkos::AUTO), KOKKOS_LAMBDA(const Policy::member_type& team) {
        const int p = team.league_rank();
        Kokkos::parallel_for(Kokkos::TeamThreadRange(team, heads * dim),
                             [&](int c) { y(0, c / dim, p, c % dim) = x(p, first_column + c); });
      });
  return tensor;
}

Tensor split_heads_rotated(const Matrix& x, int first_column, int heads, int dim, const RotaryTable& table) {
  const int seq = static_cast<int>(x.extent(0)), half = dim / 2;
  const Tensor tensor("halftone::eval::heads", DType::float32, {1, heads, seq, dim});
  const auto y = tensor.view<float>();
  Kokkos::parallel_for(
      "halftone::eval::split_heads_rotated", Policy(seq, Kokkos::AUTO),
      KOKKOS_LAMBDA(const Policy::member_type& team) {
        const int p = team.league_rank();
        Kokkos::parallel_for(Kokkos::TeamThreadRange(team, heads * half), [&](int i) {
          const int h = i / half, j = i % half, column = first_column + h * dim + j;
          const float a = x(p, column), b = x(p, column + half), cos = table.cos(p, j), sin = table.sin(p, j);
          y(0, h, p, j) = a * cos - b * sin;
          y(0, h, p, j + half) = b * cos + a * sin;
        });
      });
  return tensor;
}

void merge_heads(const Tensor& tensor, const Matrix& y) {
  const int heads = static_cast<int>(tensor.shape[1]), seq = static_cast<int>(tensor.shape[2]);
  const int dim = static_cast<int>(tensor.shape[3]);
  const auto x = tensor.view<float>();
  Kokkos::parallel_for(
      "halftone::eval::merge_heads", Policy(seq, Kokkos::AUTO), KOKKOS_LAMBDA(const Policy::member_type& team) {
        const int p = team.league_rank();
        Kokkos::parallel_for(Kokkos::TeamThreadRange(team, heads * dim),
                             [&](int c) { y(p, c) = x(0, c / dim, p, c % dim); });
      });
}

}  // namespace halftone::eval
