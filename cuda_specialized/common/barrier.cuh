// Barriers of Hopper: mbarriers in shared memory (PTX ISA, "mbarrier") and named barriers.
#pragma once

#include "halftone/cuda_specialized/common/shared_memory.cuh"

namespace halftone::cuda {

/// An mbarrier; phases alternate 0, 1, 0, ... and wait(phase) returns once that phase has completed.
struct alignas(8) Barrier {
  std::uint64_t word;

  __device__ void init(int arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(&word)), "r"(arrivals));
  }
  __device__ void arrive() {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(&word)) : "memory");
  }
  /// For that many threads.
  __device__ void arrive(int times) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(&word)), "r"(times) : "memory");
  }
  /// Arrives, and makes the phase wait for `bytes` of bulk copies besides.
  __device__ void arrive_expect(std::uint32_t bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(&word)), "r"(bytes)
                 : "memory");
  }
  __device__ void wait(std::uint32_t phase) {
    asm volatile(
        "{\n"
        ".reg .pred done;\n"
        "retry_%=:\n"
        "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
        "@done bra finished_%=;\n"
        "bra retry_%=;\n"
        "finished_%=:\n"
        "}\n" ::"r"(shared_address(&word)),
        "r"(phase)
        : "memory");
  }
};

/// A place in a ring and the phase of its barriers.
template <int kSize>
struct RingPlace {
  int index = 0;
  std::uint32_t phase = 0;

  __device__ void advance() {
    if (++index == kSize) {
      index = 0;
      phase ^= 1u;
    }
  }
};

/// Makes initialised barriers visible to the copy engine and to other threads (before a __syncthreads).
__device__ inline void fence_barrier_init() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }

__device__ inline void named_sync(int barrier, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}
__device__ inline void named_arrive(int barrier, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}

/// Programmatic dependent launch: lets the next kernel of the stream start, and waits for the one before to finish.
__device__ inline void launch_dependents() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }
__device__ inline void wait_for_previous_kernel() { asm volatile("griddepcontrol.wait;" ::: "memory"); }

template <int kRegisters>
__device__ inline void give_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <int kRegisters>
__device__ inline void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

}  // namespace halftone::cuda
