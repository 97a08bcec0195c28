// Requests in the memory of a CUDA device.
#pragma once

#include <cstddef>

#include "halftone/capi/halftone.h"

namespace halftone::capi {

/// The calls of halftone.h for requests on a device; `mask` and `selected` may be null. They throw.
void device_block_sparse_attention(const halftone_request& request, const halftone_block_mask* mask);
void device_attention(const halftone_request& request, const halftone_selection& selection,
                      halftone_selected* selected);
std::size_t device_block_sparse_bytes(const halftone_request& request, const halftone_block_mask* mask);
std::size_t device_attention_bytes(const halftone_request& request, const halftone_selection& selection);

}  // namespace halftone::capi
