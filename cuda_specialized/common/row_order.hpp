// The order in which a launch takes up its rows.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "halftone/core/attention_params.hpp"

namespace halftone::cuda {

/// Enqueues: order[0 .. rows - first) = the rows of a masked request but the first `first` of natural_row, in tiles of
/// `block_m` queries (which divides the mask's), and *next_row = 0 unless null.
/// The longer rows come head by head, so that `workers` rows at a time find each other's keys in
/// the L2 cache; then the shorter ones, longest first, which even out when the workers end. The shorter rows are as
/// many as it takes to keep every worker busy for as long as the longest row. One thread block; four passes over the
/// mask's row pointers.
void order_rows(const AttentionParams& params, int block_m, std::int32_t first, int workers, std::int32_t* order,
                std::int32_t* next_row, cudaStream_t stream);

}  // namespace halftone::cuda
