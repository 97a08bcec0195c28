#include "halftone/capi/device.hpp"

#include <cstddef>

#include "halftone/capi/request.hpp"
#include "halftone/capi/status.hpp"
#include "halftone/core/kernel_registry.hpp"
#include "halftone/cuda_specialized/common/current_device.hpp"
#include "halftone/cuda_specialized/halftone_attention.hpp"

namespace halftone::capi {
namespace {

using cuda::selection::SelectionOutcome;
static_assert(sizeof(SelectionOutcome) == sizeof(halftone_outcome) &&
              offsetof(SelectionOutcome, forced) == offsetof(halftone_outcome, forced) &&
              offsetof(SelectionOutcome, kept) == offsetof(halftone_outcome, kept) &&
              offsetof(SelectionOutcome, tolerance) == offsetof(halftone_outcome, tolerance) &&
              offsetof(SelectionOutcome, not_finite) == offsetof(halftone_outcome, not_finite));

AttentionParams masked_params(const halftone_request& request, const halftone_block_mask* mask) {
  AttentionParams p = attention_params(request);
  if (mask) p.mask = mask_view(*mask);
  halftone::validate(p);
  return p;
}

const KernelEntry& choose(const halftone_request& request, const AttentionParams& params) {
  return choose_kernel(cuda::attention_kernels(), params, kernel_name(request));
}

}  // namespace

void device_block_sparse_attention(const halftone_request& request, const halftone_block_mask* mask) {
  const cuda::CurrentDevice device(request.device);
  const AttentionParams p = masked_params(request, mask);
  const KernelEntry& kernel = choose(request, p);
  require_workspace(request, kernel.workspace_bytes(p));
  kernel.run(p, request.workspace, request.stream);
  remember_kernel(kernel.name);
}

void device_attention(const halftone_request& request, const halftone_selection& selection,
                      halftone_selected* selected) {
  const cuda::CurrentDevice device(request.device);
  const cuda::HalftoneAttention call =
      cuda::halftone_attention(attention_params(request), device_options(selection), request.workspace,
                               request.workspace_bytes, request.stream, kernel_name(request));
  remember_kernel(call.kernel);
  if (!selected) return;
  const BlockMaskView& mask = call.selection.mask;
  const std::int64_t entries = std::int64_t{mask.batch} * mask.heads * mask.tiles * mask.blocks;
  *selected = {sizeof *selected, reinterpret_cast<const halftone_outcome*>(call.selection.outcome),
               mask_struct(mask, entries)};
}

std::size_t device_block_sparse_bytes(const halftone_request& request, const halftone_block_mask* mask) {
  const cuda::CurrentDevice device(request.device);
  const AttentionParams p = masked_params(request, mask);
  return choose(request, p).workspace_bytes(p);
}

std::size_t device_attention_bytes(const halftone_request& request, const halftone_selection& selection) {
  const cuda::CurrentDevice device(request.device);
  return cuda::halftone_workspace_bytes(attention_params(request), device_options(selection), kernel_name(request));
}

}  // namespace halftone::capi
