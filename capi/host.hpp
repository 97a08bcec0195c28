// Requests in host memory: the Kokkos kernels.
#pragma once

#include <cstddef>

#include "halftone/capi/halftone.h"

namespace halftone::capi {

/// Whether this build serves them: its Kokkos runs on the host.
bool host_is_served();

/// The calls of halftone.h for requests with device HALFTONE_HOST; `mask` and `selected` may be null. They throw.
void host_block_sparse_attention(const halftone_request& request, const halftone_block_mask* mask);
void host_attention(const halftone_request& request, const halftone_selection& selection, halftone_selected* selected);
std::size_t host_selected_bytes(const halftone_request& request, const halftone_selection& selection);

}  // namespace halftone::capi
