// Shared memory as PTX addresses it.
#pragma once

#include <cstdint>

namespace halftone::cuda {

__device__ inline std::uint32_t shared_address(const void* p) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(p));
}

/// The value where `wanted`, else 0; without a branch, after which the compiler would no longer know that control flow
/// is uniform over the warp.
__device__ inline std::int32_t load_shared_if(const std::int32_t& from, bool wanted) {
  std::int32_t value = 0;
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %2, 0;\n@p ld.shared.b32 %0, [%1];\n}\n"
               : "+r"(value)
               : "r"(shared_address(&from)), "r"(static_cast<int>(wanted))
               : "memory");
  return value;
}

/// Stores four 8 x 8 matrices of 16-bit elements from the layout of accumulators; lane l gives the address of row l % 8 of
/// the l / 8-th (PTX ISA, "stmatrix"; sm_90 and up).
__device__ inline void store_matrices(void* row, const std::uint32_t (&pairs)[4]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(shared_address(row)),
               "r"(pairs[0]), "r"(pairs[1]), "r"(pairs[2]), "r"(pairs[3])
               : "memory");
}

}  // namespace halftone::cuda
