#include "device_mask.hpp"

#include "device_data.hpp"
#include "halftone/cuda_specialized/common/check.hpp"

namespace halftone::bench {

DeviceMask::DeviceMask(const MaskArrays& mask) : view_(mask.sizes) {
  const auto upload = [&]<class T>(const std::vector<T>& host) -> const T* {
    return arrays_.emplace_back(DeviceBuffer::copy_of(std::span<const T>(host))).template as<T>();
  };
  view_.row_ptr = upload(mask.row_ptr);
  view_.col_idx = upload(mask.col_idx);
  view_.kind = upload(mask.kind);
  if (!mask.bits_index.empty()) view_.bits_index = upload(mask.bits_index);
  if (!mask.bits.empty()) view_.bits = upload(mask.bits);
}

DeviceLandmarks::DeviceLandmarks(const AttentionParams& request, const MaskArrays& mask, cudaStream_t stream) {
  const auto means_of = [&](const void* rows, const TensorStrides& stride) {
    DeviceBuffer means(size_of(request.dtype) * static_cast<std::size_t>(request.batch * request.heads_kv) *
                       static_cast<std::size_t>(mask.sizes.blocks * request.dim));
    block_means(request, rows, stride, mask.sizes.blocks, mask.sizes.block_k, means.get(), stream);
    return means;
  };
  key_ = means_of(request.k, request.k_stride);
  value_ = means_of(request.v, request.v_stride);
  const std::vector<float> bias = landmark_bias(mask, request.seq_q, request.batch, request.heads_q);
  bias_ = DeviceBuffer::copy_of(std::span<const float>(bias));
  HALFTONE_CUDA_CHECK(cudaStreamSynchronize(stream));
  view_.key = key_.get();
  view_.value = value_.get();
  view_.bias = bias_.as<float>();
  view_.blocks = mask.sizes.blocks;
  view_.tiles = mask.sizes.tiles;
  view_.block_q = mask.sizes.block_q;
}

}  // namespace halftone::bench
