#include "halftone/eval/model/cross_entropy.hpp"

#include <cmath>

namespace halftone::eval {

void cross_entropy(const Matrix& logits, const Array<std::uint32_t>& target, const Array<float>& loss) {
  using Policy = Kokkos::TeamPolicy<ExecSpace>;
  const int rows = static_cast<int>(logits.extent(0)), vocab = static_cast<int>(logits.extent(1));
  Kokkos::parallel_for(
      "halftone::eval::cross_entropy", Policy(rows, Kokkos::AUTO), KOKKOS_LAMBDA(const Policy::member_type& team) {
        const int r = team.league_rank();
        float highest = 0.0f;
        Kokkos::parallel_reduce(
            Kokkos::TeamThreadRange(team, vocab),
            [&](int c, float& value) { value = logits(r, c) > value ? logits(r, c) : value; },
            Kokkos::Max<float>(highest));
        double sum = 0.0;
        Kokkos::parallel_reduce(
            Kokkos::TeamThreadRange(team, vocab),
            [&](int c, double& value) { value += std::exp(logits(r, c) - highest); }, sum);
        Kokkos::single(Kokkos::PerTeam(team), [&]() {
          loss(r) = static_cast<float>(std::log(sum) + highest - logits(r, target(r)));
        });
      });
}

}  // namespace halftone::eval
