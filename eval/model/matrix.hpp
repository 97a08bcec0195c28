// Dense row-major matrices: products, and what goes with them.
#pragma once

#include <cstdint>

#include "halftone/core/kokkos_compat.hpp"

namespace halftone::eval {

/// Row-major float32 matrix in the memory space of the default backend; copies share the data.
using Matrix = Kokkos::View<float**, Kokkos::LayoutRight, MemSpace>;

/// out = x W^T + beta out, through KokkosBlas::gemm (the BLAS or cuBLAS library it was built with).
/// x [rows, in], weight [out, in] as checkpoints store it, out [rows, out].
/// Throws InvalidArgument when the shapes do not fit.
void linear(const Matrix& x, const Matrix& weight, const Matrix& out, float beta = 0.0f);

/// Rows [begin, end) of a matrix, without a copy.
Matrix rows_of(const Matrix& matrix, std::size_t begin, std::size_t end);

/// The rows of `table` that `index` names, in its order; indices are not checked.
Matrix gather_rows(const Matrix& table, const Array<std::uint32_t>& index);

/// Sum of the squares of all elements, in double.
double sum_of_squares(const Matrix& matrix);

}  // namespace halftone::eval
