#include "halftone/eval/model/rms_norm.hpp"

#include <cmath>

namespace halftone::eval {

void rms_norm(const Matrix& x, const Array<float>& weight, double eps, const Matrix& y) {
  using Policy = Kokkos::TeamPolicy<ExecSpace>;
  const int rows = static_cast<int>(x.extent(0)), columns = static_cast<int>(x.extent(1));
  Kokkos::parallel_for(
      "halftone::eval::rms_norm", Policy(rows, Kokkos::AUTO), KOKKOS_LAMBDA(const Policy::member_type& team) {
        const int r = team.league_rank();
        double squares = 0.0;
        Kokkos::parallel_reduce(
            Kokkos::TeamThreadRange(team, columns),
            [&](int c, double& sum) { sum += static_cast<double>(x(r, c)) * x(r, c); }, squares);
        const float inverse = static_cast<float>(1.0 / std::sqrt(squares / columns + eps));
        Kokkos::parallel_for(Kokkos::TeamThreadRange(team, columns),
                             [&](int c) { y(r, c) = weight(c) * (x(r, c) * inverse); });
      });
}

}  // namespace halftone::eval
