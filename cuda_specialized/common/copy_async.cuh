// Copies to shared memory that a thread starts and waits for (PTX ISA: cp.async; sm_80 and up).
#pragma once

#include <cstdint>

#include "halftone/cuda_specialized/common/shared_memory.cuh"

namespace halftone::cuda {

/// Starts copying 16 bytes from global to shared memory past L1; without `present`, 16 zero bytes.
__device__ inline void copy_async(std::uint32_t shared, const void* global, bool present) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(shared),
               "l"(__cvta_generic_to_global(global)), "r"(present ? 16 : 0)
               : "memory");
}
/// Closes the group of copies started since the last call.
__device__ inline void copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/// Waits until all of this thread's groups but the `kPending` youngest have arrived.
template <int kPending>
__device__ inline void copy_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

}  // namespace halftone::cuda
