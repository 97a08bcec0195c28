// The plainest attention on the GPU, in float32: what the tuned kernels are checked against.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "halftone/core/attention_params.hpp"

namespace halftone::bench {

/// Floats of scratch memory for `count` rows.
std::size_t naive_scratch_floats(const AttentionParams& params, int count);

/// Attention of chosen queries of a request (not packed, no sink), two passes over the keys and landmarks, and the
/// distance of params.o from it. `rows`: (b * heads_q + h) * seq_q + i, on the device; errors[2 r], errors[2 r + 1]:
/// sum (o - exact)^2 and sum exact^2 of row r.
void naive_row_errors(const AttentionParams& params, const std::int64_t* rows, int count, float* scratch, float* errors,
                      cudaStream_t stream);

}  // namespace halftone::bench
