// From the structs of halftone.h to the library's own.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>

#include "halftone/capi/halftone.h"
#include "halftone/core/attention_params.hpp"
#include "halftone/core/error.hpp"
#include "halftone/cuda_specialized/selection/selection.hpp"
#include "halftone/patterns/halftone/halftone.hpp"

namespace halftone::capi {

/// A copy of what the caller's struct holds, the fields that its version lacks 0. `earlier_sizes`: the struct's sizes
/// in earlier versions. Throws InvalidArgument on null and on sizes that no version had.
template <class Struct>
Struct read_struct(const Struct* given, std::string_view name, std::initializer_list<std::size_t> earlier_sizes = {}) {
  if (!given) throw InvalidArgument(name, "a null pointer", "a struct");
  if (given->size != sizeof(Struct) && std::ranges::count(earlier_sizes, given->size) == 0)
    throw InvalidArgument(std::string(name) + " size", std::to_string(given->size),
                          std::to_string(sizeof(Struct)) + ", as of halftone.h of this version");
  Struct copy{};
  std::memcpy(&copy, given, given->size);
  return copy;
}

/// Likewise, for a selection. Throws InvalidArgument when a reserved field is not 0, too.
halftone_selection read_selection(const halftone_selection* given);

/// The request without mask and landmarks. Throws InvalidArgument on an unknown element type.
AttentionParams attention_params(const halftone_request& request);
std::string_view kernel_name(const halftone_request& request);

BlockMaskView mask_view(const halftone_block_mask& mask);
/// The mask struct of a view with room for `kept` blocks.
halftone_block_mask mask_struct(const BlockMaskView& view, std::int64_t kept);

/// Settings with the defaults filled in: for the CUDA selection with its device pointers, for the Kokkos one without.
cuda::selection::SelectionOptions device_options(const halftone_selection& selection);
patterns::HalftoneOptions host_options(const halftone_selection& selection);
/// Keys per block.
std::int32_t block_keys(const halftone_selection& selection);

/// Throws InvalidArgument unless the request's workspace holds `needed` bytes at a multiple of 256.
void require_workspace(const halftone_request& request, std::size_t needed);

}  // namespace halftone::capi
