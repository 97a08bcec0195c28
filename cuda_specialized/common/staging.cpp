#include "halftone/cuda_specialized/common/staging.hpp"

#include <algorithm>
#include <vector>

#include "halftone/cuda_specialized/common/check.hpp"

namespace halftone::cuda {
namespace {

/// Device memory for the length of one call.
class DeviceBlocks {
 public:
  DeviceBlocks() = default;
  DeviceBlocks(const DeviceBlocks&) = delete;
  ~DeviceBlocks() {
    for (void* block : blocks_) cudaFree(block);
  }

  void* allocate(std::size_t bytes) {
    void* block = nullptr;
    HALFTONE_CUDA_CHECK(cudaMalloc(&block, std::max<std::size_t>(bytes, 1)));
    blocks_.push_back(block);
    return block;
  }

  /// Replaces a host pointer by a device copy of `count` elements; null stays null.
  template <class T>
  void upload(const T*& pointer, std::int64_t count) {
    if (pointer) pointer = static_cast<const T*>(copy(pointer, static_cast<std::size_t>(count) * sizeof(T)));
  }
  void upload(const void*& pointer, std::int64_t bytes) {
    if (pointer) pointer = copy(pointer, static_cast<std::size_t>(bytes));
  }

 private:
  void* copy(const void* host, std::size_t bytes) {
    void* block = allocate(bytes);
    HALFTONE_CUDA_CHECK(cudaMemcpy(block, host, bytes, cudaMemcpyHostToDevice));
    return block;
  }

  std::vector<void*> blocks_;
};

/// Bytes from a tensor's first element to its last.
std::int64_t span_bytes(const AttentionParams& p, const TensorStrides& s, std::int64_t heads, std::int64_t seq,
                        std::int64_t total) {
  const std::int64_t batch = p.packed() ? 1 : p.batch, rows = p.packed() ? total : seq;
  const std::int64_t last = (batch - 1) * s.batch + (heads - 1) * s.head + (rows - 1) * s.seq + p.dim;
  return last * static_cast<std::int64_t>(size_of(p.dtype));
}

void upload_mask(DeviceBlocks& device, BlockMaskView& m) {
  const std::int64_t rows = std::int64_t{m.batch} * m.heads * m.tiles, kept = m.row_ptr[rows];
  std::int64_t bit_blocks = 0;
  for (std::int64_t e = 0; m.bits_index && e < kept; ++e) bit_blocks = std::max<std::int64_t>(bit_blocks, m.bits_index[e] + 1);
  device.upload(m.row_ptr, rows + 1);
  device.upload(m.col_idx, kept);
  device.upload(m.kind, kept);
  device.upload(m.bits_index, kept);
  device.upload(m.bits, bit_blocks * m.block_q * (m.block_k / 64));
}

void upload_landmarks(DeviceBlocks& device, const AttentionParams& p, LandmarkView& l) {
  const std::int64_t bytes = std::int64_t{p.batch} * p.heads_kv * l.blocks * p.dim * static_cast<std::int64_t>(size_of(p.dtype));
  device.upload(l.key, bytes);
  device.upload(l.value, bytes);
  device.upload(l.bias, std::int64_t{p.batch} * p.heads_q * l.tiles * l.blocks);
}

}  // namespace

void run_staged(const AttentionParams& params, std::size_t (*workspace_bytes)(const AttentionParams&),
                void (*forward)(const AttentionParams&, void* workspace, void* stream)) {
  AttentionParams p = params;
  DeviceBlocks device;
  device.upload(p.q, span_bytes(p, p.q_stride, p.heads_q, p.seq_q, p.total_q));
  device.upload(p.k, span_bytes(p, p.k_stride, p.heads_kv, p.seq_k, p.total_k));
  device.upload(p.v, span_bytes(p, p.v_stride, p.heads_kv, p.seq_k, p.total_k));
  device.upload(p.cu_seqlens_q, p.batch + 1);
  device.upload(p.cu_seqlens_k, p.batch + 1);
  device.upload(p.sink, p.heads_q);
  if (p.mask.row_ptr) upload_mask(device, p.mask);
  if (p.landmarks.key) upload_landmarks(device, p, p.landmarks);

  // The output's rows may have gaps between them, which must come back as they were.
  const auto output_bytes = static_cast<std::size_t>(span_bytes(p, p.o_stride, p.heads_q, p.seq_q, p.total_q));
  const std::size_t sum_bytes = static_cast<std::size_t>(p.heads_q * (p.packed() ? p.total_q : p.batch * p.seq_q)) * sizeof(float);
  p.o = device.allocate(output_bytes);
  HALFTONE_CUDA_CHECK(cudaMemcpy(p.o, params.o, output_bytes, cudaMemcpyHostToDevice));
  if (p.lse) p.lse = static_cast<float*>(device.allocate(sum_bytes));
  if (p.far_mass) p.far_mass = static_cast<float*>(device.allocate(sum_bytes));

  forward(p, device.allocate(workspace_bytes(p)), nullptr);
  HALFTONE_CUDA_CHECK(cudaDeviceSynchronize());
  HALFTONE_CUDA_CHECK(cudaMemcpy(params.o, p.o, output_bytes, cudaMemcpyDeviceToHost));
  if (p.lse) HALFTONE_CUDA_CHECK(cudaMemcpy(params.lse, p.lse, sum_bytes, cudaMemcpyDeviceToHost));
  if (p.far_mass) HALFTONE_CUDA_CHECK(cudaMemcpy(params.far_mass, p.far_mass, sum_bytes, cudaMemcpyDeviceToHost));
}

}  // namespace halftone::cuda
