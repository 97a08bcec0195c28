// Shared memory as PTX addresses it.
#pragma once

#include <cstdint>

namespace halftone::cuda {

__device__ inline std::uint32_t shared_address(const void* p) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(p));
}

}  // namespace halftone::cuda
