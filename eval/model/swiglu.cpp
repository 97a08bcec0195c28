#include "halftone/eval/model/swiglu.hpp"

#include <cmath>

namespace halftone::eval {

void swiglu(const Matrix& gate_up, const Matrix& y) {
  using Policy = Kokkos::TeamPolicy<ExecSpace>;
  const int rows = static_cast<int>(y.extent(0)), width = static_cast<int>(y.extent(1));
  Kokkos::parallel_for(
      "halftone::eval::swiglu", Policy(rows, Kokkos::AUTO), KOKKOS_LAMBDA(const Policy::member_type& team) {
        const int r = team.league_rank();
        Kokkos::parallel_for(Kokkos::TeamThreadRange(team, width), [&](int c) {
          const float gate = gate_up(r, c);
          y(r, c) = gate / (1.0f + std::exp(-gate)) * gate_up(r, width + c);
        });
      });
}

}  // namespace halftone::eval
