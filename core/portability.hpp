// Host/device annotation for headers shared with CUDA sources, which do not include Kokkos.
#pragma once

#if defined(__CUDACC__) || defined(__HIPCC__)
#define HALFTONE_FUNCTION __host__ __device__
#else
#define HALFTONE_FUNCTION
#endif
