#include "halftone/cuda_specialized/sm90/forward.hpp"

#include <algorithm>
#include <utility>

#include "halftone/cuda_specialized/common/check.hpp"
#include "halftone/cuda_specialized/common/request.hpp"
#include "halftone/cuda_specialized/common/row_order.hpp"
#include "halftone/cuda_specialized/common/tensor_map.hpp"
#include "halftone/cuda_specialized/sm90/forward_launch.hpp"

namespace halftone::cuda::sm90 {
namespace {

constexpr int kBlockM = 128;

TensorShape tensor(const AttentionParams& p, const void* data, const TensorStrides& stride, std::int32_t heads,
                   std::int64_t seq, std::int64_t total) {
  if (p.packed()) return {data, 1, heads, total, p.dim, {0, stride.head, stride.seq}, p.dtype};
  return {data, p.batch, heads, seq, p.dim, stride, p.dtype};
}
TensorShape tensor_q(const AttentionParams& p) { return tensor(p, p.q, p.q_stride, p.heads_q, p.seq_q, p.total_q); }
TensorShape tensor_k(const AttentionParams& p) { return tensor(p, p.k, p.k_stride, p.heads_kv, p.seq_k, p.total_k); }
TensorShape tensor_v(const AttentionParams& p) { return tensor(p, p.v, p.v_stride, p.heads_kv, p.seq_k, p.total_k); }
TensorShape tensor_o(const AttentionParams& p) { return tensor(p, p.o, p.o_stride, p.heads_q, p.seq_q, p.total_q); }
TensorShape landmark_tensor(const AttentionParams& p, const void* data) {
  const std::int64_t blocks = p.landmarks.blocks, dim = p.dim;
  return {data, p.batch, p.heads_kv, blocks, dim, {p.heads_kv * blocks * dim, blocks * dim, dim}, p.dtype};
}

std::string tile_refusal(const AttentionParams& p) {
  if (p.mask.row_ptr && (p.mask.block_q != kBlockM || (p.mask.block_k != 64 && p.mask.block_k != 128)))
    return "mask blocks of " + std::to_string(p.mask.block_q) + " x " + std::to_string(p.mask.block_k) +
           "; it takes 128 x 64 and 128 x 128";
  if (p.landmarks.key && p.landmarks.block_q != kBlockM)
    return "landmark tiles of " + std::to_string(p.landmarks.block_q) + " queries; it takes 128";
  return "";
}

// A tensor map has no stride of 0.
std::string expanded_refusal(const AttentionParams& p) {
  const std::pair<const char*, TensorShape> tensors[] = {{"q", tensor_q(p)}, {"k", tensor_k(p)}, {"v", tensor_v(p)}};
  for (const auto& [name, t] : tensors)
    if ((t.rows > 1 && t.stride.seq == 0) || (t.heads > 1 && t.stride.head == 0) ||
        (t.batch > 1 && t.stride.batch == 0))
      return std::string(name) + " is expanded (a stride of 0)";
  return "";
}

}  // namespace

std::string refusal(const AttentionParams& params) {
  for (const auto& reason : {request_refusal(params, 256, kBlockM), tile_refusal(params), expanded_refusal(params)})
    if (!reason.empty()) return reason;
  return hopper_refusal();
}

std::size_t workspace_bytes(const AttentionParams& params) {
  return sizeof(std::int32_t) * static_cast<std::size_t>(4 + (params.mask.row_ptr ? rows_of(params, kBlockM) : 0));
}

void forward(const AttentionParams& params, void* workspace, void* stream_handle) {
  const auto stream = static_cast<cudaStream_t>(stream_handle);
  ForwardArgs args{};
  args.params = with_short_windows(params);
  args.tiles = tiles_of(params, kBlockM);
  args.rows = static_cast<std::int32_t>(rows_of(params, kBlockM));
  args.next_row = static_cast<std::int32_t*>(workspace);
  args.q = make_tensor_map(tensor_q(params), kBlockM);
  args.k = make_tensor_map(tensor_k(params), 64);
  args.v = make_tensor_map(tensor_v(params), 64);
  args.store_tiles = alignment_refusal(params, "o", params.o, params.o_stride).empty();
  if (args.store_tiles) args.o = make_tensor_map(tensor_o(params), 64);
  if (params.landmarks.key) {
    args.landmark_key = make_tensor_map(landmark_tensor(params, params.landmarks.key), 64);
    args.landmark_value = make_tensor_map(landmark_tensor(params, params.landmarks.value), 64);
  }
  args.workers = std::min(args.rows, device_attribute(cudaDevAttrMultiProcessorCount));
  if (params.mask.row_ptr && args.rows > args.workers) {
    std::int32_t* order = args.next_row + 4;
    order_rows(params, kBlockM, args.workers, args.workers, order, args.next_row, stream);
    args.order = order;
  } else {
    HALFTONE_CUDA_CHECK(cudaMemsetAsync(args.next_row, 0, sizeof(std::int32_t), stream));
  }
  if (params.dim <= 64)
    launch_dim64(args, stream);
  else if (params.dim <= 128)
    launch_dim128(args, stream);
  else
    launch_dim256(args, stream);
}

}  // namespace halftone::cuda::sm90
