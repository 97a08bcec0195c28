// Small kernels around the measurements: random data, comparison, an idle loop.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "halftone/core/attention_params.hpp"

namespace halftone::bench {

/// data[i] = standard normal number i of Philox stream `which`; float16 or bfloat16.
void fill_normal(void* data, std::int64_t count, DType dtype, std::uint64_t which, cudaStream_t stream);

/// Adds sum (a - b)^2 to sums[0] and sum b^2 to sums[1].
void add_squares(const void* a, const void* b, std::int64_t count, DType dtype, double* sums, cudaStream_t stream);

/// Reads a buffer whose bytes are all the same.
void read_all(void* data, std::size_t bytes, cudaStream_t stream);

/// means [batch, heads_kv, blocks, dim] of the rows (the request's k or v, with their strides) of each block of
/// `block_k` keys, rounded to the request's type; the last block is as long as the keys reach.
void block_means(const AttentionParams& params, const void* rows, const TensorStrides& stride, int blocks, int block_k,
                 void* means, cudaStream_t stream);

/// Occupies the stream for about 50 microseconds.
void keep_busy(cudaStream_t stream);

}  // namespace halftone::bench
