#include "halftone/cuda_specialized/wmma/forward.hpp"

#include "halftone/cuda_specialized/common/request.hpp"
#include "halftone/cuda_specialized/common/row_order.hpp"
#include "halftone/cuda_specialized/wmma/forward_launch.hpp"

namespace halftone::cuda::wmma {
namespace {

/// Queries per tile: 128 where there are as many and the mask's and landmarks' tiles are made of such.
int block_m_of(const AttentionParams& p) {
  if (p.seq_q <= 64) return 64;
  if (p.mask.row_ptr && p.mask.block_q % 128) return 64;
  if (p.landmarks.key && p.landmarks.block_q % 128) return 64;
  return 128;
}

std::string tile_refusal(const AttentionParams& p) {
  if (p.mask.row_ptr && (p.mask.block_q % 64 || p.mask.block_k % 64))
    return "mask blocks of " + std::to_string(p.mask.block_q) + " x " + std::to_string(p.mask.block_k) +
           "; it takes multiples of 64 x 64";
  if (p.landmarks.key && p.landmarks.block_q % 64)
    return "landmark tiles of " + std::to_string(p.landmarks.block_q) + " queries; it takes multiples of 64";
  return "";
}

std::string device_refusal() {
  if (!has_device()) return "there is no CUDA device";
  const int major = device_attribute(cudaDevAttrComputeCapabilityMajor);
  const std::string capability =
      std::to_string(major) + "." + std::to_string(device_attribute(cudaDevAttrComputeCapabilityMinor));
  if (major < 8) return "the device has compute capability " + capability + ", below 8.0";
  if (!built_for_device()) return "this build has no code for the device's compute capability " + capability;
  return "";
}

}  // namespace

std::string refusal(const AttentionParams& params) {
  for (const auto& reason : {request_refusal(params, 128, 64), tile_refusal(params)})
    if (!reason.empty()) return reason;
  return device_refusal();
}

std::size_t workspace_bytes(const AttentionParams& params) {
  return params.mask.row_ptr ? sizeof(std::int32_t) * static_cast<std::size_t>(rows_of(params, block_m_of(params))) : 0;
}

void forward(const AttentionParams& params, void* workspace, void* stream_handle) {
  const auto stream = static_cast<cudaStream_t>(stream_handle);
  ForwardArgs args{};
  args.params = with_short_windows(params);
  args.block_m = block_m_of(params);
  args.tiles = tiles_of(params, args.block_m);
  args.rows = static_cast<std::int32_t>(rows_of(params, args.block_m));
  if (args.rows == 0) return;
  if (params.mask.row_ptr) {
    auto* order = static_cast<std::int32_t*>(workspace);
    order_rows(params, args.block_m, 0, device_attribute(cudaDevAttrMultiProcessorCount), order, nullptr, stream);
    args.order = order;
  }
  params.dim <= 64 ? launch_dim64(args, stream) : launch_dim128(args, stream);
}

}  // namespace halftone::cuda::wmma
