// Bulk tensor copies (TMA): loads of boxes of a 4-D tensor into swizzled shared memory.
#pragma once

#include <cuda.h>

#include <cstdint>

#include "halftone/cuda_specialized/common/barrier.cuh"

namespace halftone::cuda {

__device__ inline void prefetch_map(const CUtensorMap* map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(reinterpret_cast<std::uint64_t>(map)) : "memory");
}

/// Loads the map's box at element coordinates (dim, row, head, batch); counts its bytes on `barrier`.
/// What lies outside the tensor arrives as zero.
__device__ inline void load_box(void* shared, const CUtensorMap* map, Barrier* barrier, int dim, int row, int head,
                                int batch) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6}], [%2];"
      ::"r"(shared_address(shared)), "l"(reinterpret_cast<std::uint64_t>(map)), "r"(shared_address(&barrier->word)),
      "r"(dim), "r"(row), "r"(head), "r"(batch)
      : "memory");
}

}  // namespace halftone::cuda
