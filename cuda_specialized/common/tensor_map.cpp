#include "halftone/cuda_specialized/common/tensor_map.hpp"

#include <cudaTypedefs.h>
#include <cuda_runtime.h>

#include "halftone/cuda_specialized/common/check.hpp"

namespace halftone::cuda {
namespace {

PFN_cuTensorMapEncodeTiled_v12000 encode_function() {
  void* entry = nullptr;
  cudaDriverEntryPointQueryResult found{};
  HALFTONE_CUDA_CHECK(
      cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &entry, 12000, cudaEnableDefault, &found));
  if (found != cudaDriverEntryPointSuccess) throw Error("the CUDA driver has no cuTensorMapEncodeTiled (12.0 or later)");
  return reinterpret_cast<PFN_cuTensorMapEncodeTiled_v12000>(entry);
}

}  // namespace

CUtensorMap make_tensor_map(const TensorShape& t, int box_rows) {
  static const PFN_cuTensorMapEncodeTiled_v12000 encode = encode_function();
  const auto extent = [](std::int64_t n) { return static_cast<cuuint64_t>(n); };
  // A stride along an axis of extent 1 is never used, but has to be valid.
  const auto bytes = [&](std::int64_t stride, std::int64_t n) { return extent(n > 1 && stride ? stride * 2 : t.dim * 16); };
  const cuuint64_t sizes[4] = {extent(t.dim), extent(t.rows), extent(t.heads), extent(t.batch)};
  const cuuint64_t strides[3] = {bytes(t.stride.seq, t.rows), bytes(t.stride.head, t.heads),
                                 bytes(t.stride.batch, t.batch)};
  const cuuint32_t box[4] = {64, static_cast<cuuint32_t>(box_rows), 1, 1}, step[4] = {1, 1, 1, 1};
  CUtensorMap map;
  const CUresult status = encode(
      &map, t.dtype == DType::bfloat16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 4,
      const_cast<void*>(t.data), sizes, strides, box, step, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
      CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (status != CUDA_SUCCESS)
    throw Error("cuTensorMapEncodeTiled failed with status " + std::to_string(static_cast<int>(status)));
  return map;
}

}  // namespace halftone::cuda
