#include "halftone/cuda_specialized/halftone_attention.hpp"

#include <array>

#include "halftone/core/error.hpp"
#include "halftone/cuda_specialized/sm90/forward.hpp"
#include "halftone/cuda_specialized/wmma/forward.hpp"

namespace halftone::cuda {
namespace {

const std::array<KernelEntry, 2> kKernels{{
    {"sm90", "Hopper: TMA and wgmma", sm90::refusal, sm90::workspace_bytes, sm90::forward},
    {"wmma", "sm_80 and up: mma.sync", wmma::refusal, wmma::workspace_bytes, wmma::forward},
}};

constexpr std::size_t round_up(std::size_t bytes) { return (bytes + 255) / 256 * 256; }

// The request with the mask and landmarks that the selection will put into `workspace`.
AttentionParams masked(const AttentionParams& params, const selection::Selection& selection) {
  AttentionParams p = params;
  p.mask = selection.mask;
  p.landmarks = selection.landmarks;
  return p;
}

HalftoneAttention enqueue(const AttentionParams& params, const selection::SelectionOptions& options, std::byte* memory,
                          void* stream, std::string_view kernel) {
  const AttentionParams p = masked(params, selection::results(params, options, memory));
  const KernelEntry& entry = choose_kernel(kKernels, p, kernel);
  HalftoneAttention call;
  call.selection = selection::select(params, options, memory, stream);
  call.kernel = entry.name;
  entry.run(p, memory + round_up(selection::workspace_bytes(params, options)), stream);
  return call;
}

}  // namespace

std::span<const KernelEntry> attention_kernels() { return kKernels; }

std::string halftone_refusal(const AttentionParams& params, const selection::SelectionOptions& options,
                             std::string_view kernel) {
  if (std::string reason = selection::refusal(params, options); !reason.empty()) return "selection: " + reason;
  alignas(256) static std::byte anywhere[1];  // addresses matter to refusals, memory does not
  try {
    choose_kernel(kKernels, masked(params, selection::results(params, options, anywhere)), kernel);
  } catch (const Unsupported& error) {
    return error.what();
  }
  return "";
}

std::size_t halftone_workspace_bytes(const AttentionParams& params, const selection::SelectionOptions& options,
                                     std::string_view kernel) {
  halftone::validate(params);
  if (params.mask.row_ptr || params.landmarks.key)
    throw InvalidArgument("mask and landmarks", "given", "none: the selection makes them");
  selection::validate(params, options);
  if (const std::string reason = selection::refusal(params, options); !reason.empty())
    throw Unsupported("selection: " + reason);
  alignas(256) static std::byte anywhere[1];
  const AttentionParams p = masked(params, selection::results(params, options, anywhere));
  return round_up(selection::workspace_bytes(params, options)) + choose_kernel(kKernels, p, kernel).workspace_bytes(p);
}

HalftoneAttention halftone_attention(const AttentionParams& params, const selection::SelectionOptions& options,
                                     Workspace& workspace, void* stream, std::string_view kernel) {
  // Grown before anything is enqueued, for both: the attention's share follows the selection's.
  const std::size_t bytes = halftone_workspace_bytes(params, options, kernel);
  return enqueue(params, options, static_cast<std::byte*>(workspace.reserve(bytes)), stream, kernel);
}

HalftoneAttention halftone_attention(const AttentionParams& params, const selection::SelectionOptions& options,
                                     void* memory, std::size_t bytes, void* stream, std::string_view kernel) {
  const std::size_t needed = halftone_workspace_bytes(params, options, kernel);
  if (!memory || bytes < needed || reinterpret_cast<std::uintptr_t>(memory) % 256)
    throw InvalidArgument("workspace", std::to_string(memory ? bytes : 0) + " bytes",
                          "at least " + std::to_string(needed) + " at a multiple of 256");
  return enqueue(params, options, static_cast<std::byte*>(memory), stream, kernel);
}

}  // namespace halftone::cuda
