// Longest rows first.
#pragma once

#include <cuda_runtime.h>

#include "halftone/cuda_specialized/sm90/forward_args.hpp"

namespace halftone::cuda::sm90 {

/// Enqueues: order[0 .. rows) = the rows of the request, those with more kept blocks first (to 1/1024 of the longest),
/// and *next_row = 0. One thread block; three passes over the mask's row pointers.
void sort_rows(const AttentionParams& params, std::int32_t tiles, std::int32_t rows, std::int32_t* order,
               std::int32_t* next_row, cudaStream_t stream);

}  // namespace halftone::cuda::sm90
