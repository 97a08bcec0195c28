// The CUDA kernels as entries of the kernel table.
#pragma once

#include "halftone/core/kernel_registry.hpp"

namespace halftone::specialized {

/// The Hopper kernel, and the one for sm_80 and up. Where Kokkos' tensors lie in host memory the request is copied to the
/// device and back.
KernelEntry sm90();
KernelEntry wmma();

}  // namespace halftone::specialized
