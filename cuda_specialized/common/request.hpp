// What every CUDA attention kernel asks of a request and of the device, on the host.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <string>

#include "halftone/core/attention_params.hpp"

namespace halftone::cuda {

/// Tiles of `block_m` queries per head, and in all.
std::int32_t tiles_of(const AttentionParams& params, int block_m);
std::int64_t rows_of(const AttentionParams& params, int block_m);

/// Why a kernel for 16-bit elements, head dims up to `max_dim` and tiles of `block_m` queries cannot serve the request:
/// element type, head dim, scale, size, or rows of q, k, v or landmarks off 16-byte boundaries. Empty when it can.
std::string request_refusal(const AttentionParams& params, int max_dim, int block_m);

/// The request with window reaches that fit 32 bits, where 2^30 is as good as unbounded.
AttentionParams with_short_windows(AttentionParams params);

/// Why rows of one of the request's tensors do not all begin on 16-byte boundaries; empty when they do.
std::string alignment_refusal(const AttentionParams& params, const char* name, const void* data,
                              const TensorStrides& stride);

bool has_device();
/// Why code for sm_90a cannot run on the current device; empty when it can.
std::string hopper_refusal();
/// Of the current device.
int device_attribute(cudaDeviceAttr attribute);

}  // namespace halftone::cuda
