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

/// Makes this thread's writes to shared memory visible to the copy engine (before a barrier).
__device__ inline void fence_shared_for_copies() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

/// Stores a box at element coordinates; what lies outside the tensor is left out.
__device__ inline void store_box(const CUtensorMap* map, const void* shared, int dim, int row, int head, int batch) {
  asm volatile("cp.async.bulk.tensor.4d.global.shared::cta.bulk_group [%0, {%2, %3, %4, %5}], [%1];" ::"l"(
                   reinterpret_cast<std::uint64_t>(map)),
               "r"(shared_address(shared)), "r"(dim), "r"(row), "r"(head), "r"(batch)
               : "memory");
}
__device__ inline void commit_stores() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }
/// Until the shared memory of this thread's stores may be written again.
__device__ inline void wait_stores_read() { asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory"); }

}  // namespace halftone::cuda
