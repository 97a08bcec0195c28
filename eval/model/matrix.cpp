#include "halftone/eval/model/matrix.hpp"

#include <KokkosBlas3_gemm.hpp>
#include <fmt/format.h>

#include "halftone/core/error.hpp"

namespace halftone::eval {

void linear(const Matrix& x, const Matrix& weight, const Matrix& out, float beta) {
  if (x.extent(1) != weight.extent(1) || out.extent(0) != x.extent(0) || out.extent(1) != weight.extent(0)) {
    throw InvalidArgument("linear",
                          fmt::format("x [{}, {}], weight [{}, {}], out [{}, {}]", x.extent(0), x.extent(1),
                                      weight.extent(0), weight.extent(1), out.extent(0), out.extent(1)),
                          "x [rows, in], weight [out, in], out [rows, out]");
  }
  // All three row-major: Kokkos Kernels hands that to BLAS as the transposed column-major product; mixed layouts would
  // fall back to its own slow kernel.
  KokkosBlas::gemm("N", "T", 1.0f, x, weight, beta, out);
}

Matrix rows_of(const Matrix& matrix, std::size_t begin, std::size_t end) {
  return Kokkos::subview(matrix, Kokkos::make_pair(begin, end), Kokkos::ALL());
}

Matrix gather_rows(const Matrix& table, const Array<std::uint32_t>& index) {
  using Policy = Kokkos::TeamPolicy<ExecSpace>;
  const int rows = static_cast<int>(index.extent(0)), columns = static_cast<int>(table.extent(1));
  const Matrix result(uninitialized("halftone::eval::gathered"), rows, columns);
  Kokkos::parallel_for(
      "halftone::eval::gather_rows", Policy(rows, Kokkos::AUTO), KOKKOS_LAMBDA(const Policy::member_type& team) {
        const int r = team.league_rank();
        Kokkos::parallel_for(Kokkos::TeamThreadRange(team, columns),
                             [&](int c) { result(r, c) = table(index(r), c); });
      });
  return result;
}

double sum_of_squares(const Matrix& matrix) {
  using Policy = Kokkos::RangePolicy<ExecSpace, Kokkos::IndexType<std::int64_t>>;
  const std::int64_t columns = static_cast<std::int64_t>(matrix.extent(1));
  const std::int64_t size = static_cast<std::int64_t>(matrix.extent(0)) * columns;
  double sum = 0.0;
  Kokkos::parallel_reduce(
      "halftone::eval::sum_of_squares", Policy(0, size),
      KOKKOS_LAMBDA(std::int64_t i, double& total) {
        const double value = matrix(i / columns, i % columns);
        total += value * value;
      },
      sum);
  return sum;
}

}  // namespace halftone::eval
