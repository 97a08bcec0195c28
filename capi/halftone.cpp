// The functions of halftone.h: read the structs, and hand over to where the request's pointers lie.
#include "halftone/capi/halftone.h"

#include <optional>

#include "halftone/capi/device.hpp"
#include "halftone/capi/host.hpp"
#include "halftone/capi/request.hpp"
#include "halftone/capi/status.hpp"
#include "halftone_build.hpp"

namespace halftone::capi {
namespace {

halftone_request read_request(const halftone_request* request) {
  const halftone_request r = read_struct(request, "request");
  if (r.device < HALFTONE_HOST)
    throw InvalidArgument("device", std::to_string(r.device), "-1 (HALFTONE_HOST) or the number of a CUDA device");
  return r;
}

std::optional<halftone_block_mask> read_mask(const halftone_block_mask* given) {
  if (!given) return std::nullopt;
  return read_struct(given, "mask");
}

const halftone_block_mask* pointer(const std::optional<halftone_block_mask>& mask) { return mask ? &*mask : nullptr; }

bool on_host(const halftone_request& request) { return request.device == HALFTONE_HOST; }

}  // namespace
}  // namespace halftone::capi

using namespace halftone::capi;

const char* halftone_version(void) { return halftone::build::kVersion; }

uint32_t halftone_features(void) {
  return HALFTONE_CUDA_FEATURES | (host_is_served() ? uint32_t{HALFTONE_FEATURE_HOST} : 0u);
}

halftone_status halftone_workspace_bytes(const halftone_request* request, const halftone_block_mask* mask,
                                         const halftone_selection* selection, size_t* bytes) {
  return guarded([&] {
    const halftone_request r = read_request(request);
    const auto m = read_mask(mask);
    const auto s = selection ? std::optional(read_selection(selection)) : std::nullopt;
    if (!bytes) throw halftone::InvalidArgument("bytes", "a null pointer", "a place for the result");
    if (m && s) throw halftone::InvalidArgument("mask and selection", "both", "one of them, or neither");
    if (s)
      *bytes = on_host(r) ? host_selected_bytes(r, *s) : device_attention_bytes(r, *s);
    else
      *bytes = on_host(r) ? 0 : device_block_sparse_bytes(r, pointer(m));
  });
}

halftone_status halftone_block_sparse_attention(const halftone_request* request, const halftone_block_mask* mask) {
  return guarded([&] {
    const halftone_request r = read_request(request);
    const auto m = read_mask(mask);
    on_host(r) ? host_block_sparse_attention(r, pointer(m)) : device_block_sparse_attention(r, pointer(m));
  });
}

halftone_status halftone_attention(const halftone_request* request, const halftone_selection* selection,
                                   halftone_selected* selected) {
  return guarded([&] {
    const halftone_request r = read_request(request);
    const halftone_selection s = read_selection(selection);
    if (selected) read_struct(selected, "selected");
    on_host(r) ? host_attention(r, s, selected) : device_attention(r, s, selected);
  });
}
