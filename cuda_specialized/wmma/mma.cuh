// Warp-level matrix products of sm_80 and what feeds them (PTX ISA: mma.m16n8k16, ldmatrix).
#pragma once

#include <cstdint>
#include <type_traits>

#include "halftone/core/dtype.hpp"
#include "halftone/cuda_specialized/common/copy_async.cuh"

namespace halftone::cuda::wmma {

/// Four 8 x 8 matrices of 16-bit elements: lane l gives the address of row l % 8 of matrix l / 8 and gets, of each
/// matrix m, elements (l / 4, l % 4 * 2 + {0, 1}) in r[m]; transposed: (l % 4 * 2 + {0, 1}, l / 4).
__device__ inline void load_matrices(std::uint32_t (&r)[4], std::uint32_t shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared)
               : "memory");
}
__device__ inline void load_matrices_transposed(std::uint32_t (&r)[4], std::uint32_t shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared)
               : "memory");
}

/// D[16 x 8] += A[16 x 16] B[16 x 8]; d: accumulators begin .. begin + 3 (layout: softmax.cuh).
template <class Element, int kCount>
__device__ inline void multiply(float (&d)[kCount], int begin, const std::uint32_t (&a)[4], std::uint32_t b0,
                                std::uint32_t b1) {
  float &d0 = d[begin], &d1 = d[begin + 1], &d2 = d[begin + 2], &d3 = d[begin + 3];
  if constexpr (std::is_same_v<Element, bfloat16>)
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d0), "+f"(d1), "+f"(d2), "+f"(d3)
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  else
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d0), "+f"(d1), "+f"(d2), "+f"(d3)
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

}  // namespace halftone::cuda::wmma
