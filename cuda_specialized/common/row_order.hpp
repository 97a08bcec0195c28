// Longest rows first.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "halftone/core/attention_params.hpp"

namespace halftone::cuda {

/// Enqueues: order[0 .. rows) = the rows of a masked request in tiles of `block_m` queries (which divides the mask's),
/// those with more kept blocks first (to 1/1024 of the longest), and *next_row = 0 unless null.
/// One thread block; three passes over the mask's row pointers.
void sort_rows(const AttentionParams& params, int block_m, std::int32_t* order, std::int32_t* next_row,
               cudaStream_t stream);

}  // namespace halftone::cuda
