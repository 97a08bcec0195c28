// Choosing among attention kernels: an explicit table in order of preference, never a silent fallback.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "halftone/core/attention_params.hpp"

namespace halftone {

/// One attention kernel. Plain function pointers, so that backends need share nothing else.
struct KernelEntry {
  std::string_view name;
  std::string_view description;
  /// Why the kernel cannot serve the request ("head dim 80 is not a multiple of 16"); empty when it can.
  std::string (*refusal)(const AttentionParams&);
  /// Bytes of scratch memory that run needs, in the kernel's memory space.
  std::size_t (*workspace_bytes)(const AttentionParams&);
  /// Enqueues the work on `stream` (a cudaStream_t for CUDA kernels; null: the default one).
  void (*run)(const AttentionParams&, void* workspace, void* stream);
};

/// The first kernel of the table that serves the request, or the one called `name` unless that is "auto".
/// Throws InvalidArgument for an unknown name, Unsupported with each candidate's refusal when none fits.
const KernelEntry& choose_kernel(std::span<const KernelEntry> table, const AttentionParams& params,
                                 std::string_view name = "auto");

/// Throws InvalidArgument when the request contradicts itself, whatever the kernel: null tensors, sizes that are not
/// positive, heads_q not a multiple of heads_kv, a mask or landmarks of other sizes, a scale that is not finite.
void validate(const AttentionParams& params);

}  // namespace halftone
