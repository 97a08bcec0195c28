#include "halftone/cuda_specialized/sm90/forward.hpp"

#include <limits>

#include "halftone/cuda_specialized/common/check.hpp"
#include "halftone/cuda_specialized/common/tensor_map.hpp"
#include "halftone/cuda_specialized/sm90/forward_launch.hpp"
#include "halftone/cuda_specialized/sm90/row_order.hpp"

namespace halftone::cuda::sm90 {
namespace {

constexpr std::int64_t kBlockM = 128;

std::int32_t tiles_of(const AttentionParams& p) { return static_cast<std::int32_t>((p.seq_q + kBlockM - 1) / kBlockM); }
std::int64_t rows_of(const AttentionParams& p) { return std::int64_t{p.batch} * p.heads_q * tiles_of(p); }

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

int device_attribute(cudaDeviceAttr attribute) {
  int device = 0, value = 0;
  HALFTONE_CUDA_CHECK(cudaGetDevice(&device));
  HALFTONE_CUDA_CHECK(cudaDeviceGetAttribute(&value, attribute, device));
  return value;
}

std::string device_refusal() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) {
    cudaGetLastError();  // clears the error of a machine without a GPU
    return "there is no CUDA device";
  }
  const int major = device_attribute(cudaDevAttrComputeCapabilityMajor);
  const int minor = device_attribute(cudaDevAttrComputeCapabilityMinor);
  if (major == 9 && minor == 0) return "";
  return "the device has compute capability " + std::to_string(major) + "." + std::to_string(minor) + ", not 9.0";
}

std::string shape_refusal(const AttentionParams& p) {
  if (p.dtype == DType::float32) return "float32 tensors; it takes float16 and bfloat16";
  if (p.dim % 8 || p.dim < 8 || p.dim > 256)
    return "head dim " + std::to_string(p.dim) + " is not a multiple of 8 up to 256";
  if (!(p.scale > 0.0f)) return "a scale of " + std::to_string(p.scale) + " is not positive";
  if (p.mask.row_ptr && (p.mask.block_q != kBlockM || (p.mask.block_k != 64 && p.mask.block_k != 128)))
    return "mask blocks of " + std::to_string(p.mask.block_q) + " x " + std::to_string(p.mask.block_k) +
           "; it takes 128 x 64 and 128 x 128";
  if (p.landmarks.key && p.landmarks.block_q != kBlockM)
    return "landmark tiles of " + std::to_string(p.landmarks.block_q) + " queries; it takes 128";
  if (rows_of(p) > std::numeric_limits<std::int32_t>::max() / 2) return "more than 2^30 query tiles";
  return "";
}

std::string layout_refusal(const AttentionParams& p) {
  for (const auto& [name, shape] : {std::pair{"q", tensor_q(p)}, std::pair{"k", tensor_k(p)}, std::pair{"v", tensor_v(p)}})
    if (const std::string reason = tma_refusal(name, shape); !reason.empty()) return reason;
  if (reinterpret_cast<std::uintptr_t>(p.o) % 4 || p.o_stride.seq % 2 || p.o_stride.head % 2 || p.o_stride.batch % 2)
    return "o is not aligned to pairs of elements";
  return "";
}

}  // namespace

std::string refusal(const AttentionParams& params) {
  for (const auto& reason : {shape_refusal(params), layout_refusal(params)})
    if (!reason.empty()) return reason;
  return device_refusal();
}

std::size_t workspace_bytes(const AttentionParams& params) {
  return sizeof(std::int32_t) * static_cast<std::size_t>(4 + (params.mask.row_ptr ? rows_of(params) : 0));
}

void forward(const AttentionParams& params, void* workspace, void* stream_handle) {
  const auto stream = static_cast<cudaStream_t>(stream_handle);
  ForwardArgs args{};
  args.params = params;
  args.tiles = tiles_of(params);
  args.rows = static_cast<std::int32_t>(rows_of(params));
  args.next_row = static_cast<std::int32_t*>(workspace);
  args.q = make_tensor_map(tensor_q(params), kBlockM);
  args.k = make_tensor_map(tensor_k(params), 64);
  args.v = make_tensor_map(tensor_v(params), 64);
  args.store_tiles = tma_refusal("o", tensor_o(params)).empty();
  if (args.store_tiles) args.o = make_tensor_map(tensor_o(params), 64);
  if (params.landmarks.key) {
    args.landmark_key = make_tensor_map(landmark_tensor(params, params.landmarks.key), 64);
    args.landmark_value = make_tensor_map(landmark_tensor(params, params.landmarks.value), 64);
  }
  if (params.mask.row_ptr) {
    std::int32_t* order = args.next_row + 4;
    sort_rows(params, args.tiles, args.rows, order, args.next_row, stream);
    args.order = order;
  } else {
    HALFTONE_CUDA_CHECK(cudaMemsetAsync(args.next_row, 0, sizeof(std::int32_t), stream));
  }
  const int multiprocessors = device_attribute(cudaDevAttrMultiProcessorCount);
  if (params.dim <= 64) launch_dim64(args, multiprocessors, stream);
  else if (params.dim <= 128) launch_dim128(args, multiprocessors, stream);
  else launch_dim256(args, multiprocessors, stream);
}

}  // namespace halftone::cuda::sm90
