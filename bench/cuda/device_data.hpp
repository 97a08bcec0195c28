// Small kernels around the measurements: random data, comparison, an idle loop.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "halftone/core/dtype.hpp"

namespace halftone::bench {

/// data[i] = standard normal number i of Philox stream `which`; float16 or bfloat16.
void fill_normal(void* data, std::int64_t count, DType dtype, std::uint64_t which, cudaStream_t stream);

/// Adds sum (a - b)^2 to sums[0] and sum b^2 to sums[1].
void add_squares(const void* a, const void* b, std::int64_t count, DType dtype, double* sums, cudaStream_t stream);

/// Reads a buffer whose bytes are all the same.
void read_all(void* data, std::size_t bytes, cudaStream_t stream);

/// Occupies the stream for about 50 microseconds.
void keep_busy(cudaStream_t stream);

}  // namespace halftone::bench
