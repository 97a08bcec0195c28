#include "halftone/cuda_specialized/common/request.hpp"

#include <algorithm>

#include "halftone/cuda_specialized/common/check.hpp"

namespace halftone::cuda {
namespace {

std::string layout_refusal(const AttentionParams& p) {
  const struct {
    const char* name;
    const void* data;
    TensorStrides stride;
  } tensors[] = {{"q", p.q, p.q_stride}, {"k", p.k, p.k_stride}, {"v", p.v, p.v_stride},
                 {"landmarks.key", p.landmarks.key, {}}, {"landmarks.value", p.landmarks.value, {}}};
  for (const auto& t : tensors)
    if (std::string reason = alignment_refusal(p, t.name, t.data, t.stride); !reason.empty()) return reason;
  if (reinterpret_cast<std::uintptr_t>(p.o) % 4 || p.o_stride.seq % 2 || p.o_stride.head % 2 ||
      (!p.packed() && p.o_stride.batch % 2))
    return "o is not aligned to pairs of elements";
  return "";
}

}  // namespace

std::int32_t tiles_of(const AttentionParams& p, int block_m) {
  return static_cast<std::int32_t>((p.seq_q + block_m - 1) / block_m);
}
std::int64_t rows_of(const AttentionParams& p, int block_m) {
  return std::int64_t{p.batch} * p.heads_q * tiles_of(p, block_m);
}

std::string request_refusal(const AttentionParams& p, int max_dim, int block_m) {
  if (p.dtype == DType::float32) return "float32 tensors; it takes float16 and bfloat16";
  if (p.dim % 8 || p.dim < 8 || p.dim > max_dim)
    return "head dim " + std::to_string(p.dim) + " is not a multiple of 8 up to " + std::to_string(max_dim);
  if (!(p.scale > 0.0f)) return "a scale of " + std::to_string(p.scale) + " is not positive";
  constexpr std::int64_t kMost = std::int64_t{1} << 28;
  for (std::int64_t n : {p.seq_q, p.seq_k, p.total_q, p.total_k, rows_of(p, block_m)})
    if (n > kMost) return "more than 2^28 queries, keys or query tiles";
  return layout_refusal(p);
}

AttentionParams with_short_windows(AttentionParams p) {
  constexpr std::int64_t kFar = std::int64_t{1} << 30;
  p.mask.window_left = std::clamp(p.mask.window_left, -kFar, kFar);
  p.mask.window_right = std::clamp(p.mask.window_right, -kFar, kFar);
  return p;
}

std::string alignment_refusal(const AttentionParams& p, const char* name, const void* data,
                              const TensorStrides& stride) {
  if (reinterpret_cast<std::uintptr_t>(data) % 16) return std::string(name) + " is not aligned to 16 bytes";
  for (std::int64_t n : {stride.seq, stride.head, p.packed() ? 0 : stride.batch})
    if (n % 8) return std::string(name) + " has a stride of " + std::to_string(n) + ", not a multiple of 8";
  return "";
}

bool has_device() {
  int count = 0;
  const bool found = cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
  cudaGetLastError();  // clears the error of a machine without a GPU
  return found;
}

std::string hopper_refusal() {
  if (!has_device()) return "there is no CUDA device";
  const int major = device_attribute(cudaDevAttrComputeCapabilityMajor);
  const int minor = device_attribute(cudaDevAttrComputeCapabilityMinor);
  if (major == 9 && minor == 0) return "";
  return "the device has compute capability " + std::to_string(major) + "." + std::to_string(minor) + ", not 9.0";
}

int device_attribute(cudaDeviceAttr attribute) {
  int device = 0, value = 0;
  HALFTONE_CUDA_CHECK(cudaGetDevice(&device));
  HALFTONE_CUDA_CHECK(cudaDeviceGetAttribute(&value, attribute, device));
  return value;
}

}  // namespace halftone::cuda
