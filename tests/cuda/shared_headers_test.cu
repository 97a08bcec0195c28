// The headers that portable and CUDA kernels share give the same answers on the host and on the device.
#include <gtest/gtest.h>

#include <cstdint>
#include <stdexcept>
#include <vector>

#include "halftone/core/attention_params.hpp"
#include "halftone/core/block_mask_view.hpp"
#include "halftone/core/dtype.hpp"
#include "halftone/core/philox.hpp"
#include "support/run_tests.hpp"

namespace halftone {
namespace {

/// Copies to the device and back, so that one function can run here and there on the same data.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(const std::vector<T>& host) : size_(host.size()) {
    check(cudaMalloc(&data_, size_ * sizeof(T)));
    check(cudaMemcpy(data_, host.data(), size_ * sizeof(T), cudaMemcpyHostToDevice));
  }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;
  ~DeviceArray() { cudaFree(data_); }

  T* data() const { return data_; }
  /// Waits for the kernels before it.
  std::vector<T> to_host() const {
    std::vector<T> host(size_);
    check(cudaMemcpy(host.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost));
    return host;
  }

 private:
  static void check(cudaError_t status) {
    if (status != cudaSuccess) throw std::runtime_error(cudaGetErrorString(status));
  }
  T* data_ = nullptr;
  std::size_t size_;
};

template <class F>
__global__ void fill_kernel(std::uint32_t* out, int n, F f) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = f(i);
}

/// Runs f(0), ..., f(n - 1) on the device.
template <class F>
std::vector<std::uint32_t> on_device(int n, F f) {
  DeviceArray<std::uint32_t> out(std::vector<std::uint32_t>(n, 0xdeadbeefu));
  fill_kernel<<<(n + 127) / 128, 128>>>(out.data(), n, f);
  if (const cudaError_t status = cudaGetLastError(); status != cudaSuccess) {
    throw std::runtime_error(cudaGetErrorString(status));
  }
  return out.to_host();
}

template <class F>
std::vector<std::uint32_t> on_host(int n, F f) {
  std::vector<std::uint32_t> out(n);
  for (int i = 0; i < n; ++i) out[i] = f(i);
  return out;
}

class SharedHeaders : public ::testing::Test {
 protected:
  void SetUp() override {
    int devices = 0;
    const cudaError_t status = cudaGetDeviceCount(&devices);
    if (status != cudaSuccess || devices == 0) GTEST_SKIP() << "no CUDA device: " << cudaGetErrorString(status);
  }
};

struct PhiloxWords {
  HALFTONE_FUNCTION std::uint32_t operator()(int i) const {
    return Philox{0x123456789abcdefull, 7}(0xffffffffull + static_cast<std::uint64_t>(i)).w[i % 4];
  }
};

TEST_F(SharedHeaders, PhiloxGivesTheSameWords) {
  EXPECT_EQ(on_device(1000, PhiloxWords{}), on_host(1000, PhiloxWords{}));
}

struct HalfRoundTrip {
  HALFTONE_FUNCTION std::uint32_t operator()(int i) const {
    return detail::float_to_half_bits(detail::half_bits_to_float(static_cast<std::uint16_t>(i)));
  }
};

struct HalfRounding {
  HALFTONE_FUNCTION std::uint32_t operator()(int i) const {
    return detail::float_to_half_bits(detail::float_of(static_cast<std::uint32_t>(i) * 65521u));
  }
};

TEST_F(SharedHeaders, Float16ConvertsAlike) {
  EXPECT_EQ(on_device(1 << 16, HalfRoundTrip{}), on_host(1 << 16, HalfRoundTrip{}));
  EXPECT_EQ(on_device(1 << 16, HalfRounding{}), on_host(1 << 16, HalfRounding{}));
}

struct MaskAllows {
  BlockMaskView mask;
  HALFTONE_FUNCTION std::uint32_t operator()(int i) const {
    return mask.allows(i / (70 * 150), i / 150 % 70, i % 150, 65, 140);
  }
};

TEST_F(SharedHeaders, BlockMaskRulesAgree) {
  // One row per kind: every flag alone and all of them together; bits only where flagged.
  const std::vector<std::uint8_t> kinds = {kBlockFull, kBlockCausal, kBlockWindow, kBlockRagged, kBlockBits, 15};
  const std::vector<std::int32_t> bits_index = {-1, -1, -1, -1, 0, 1};
  std::vector<std::uint64_t> bits(2 * 128);
  for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = 0x9e3779b97f4a7c15ull * (i + 1);

  MaskAllows host;
  host.mask.kind = kinds.data();
  host.mask.bits_index = bits_index.data();
  host.mask.bits = bits.data();
  host.mask.block_q = 128;
  host.mask.block_k = 64;
  host.mask.window_left = 40;
  host.mask.window_right = 3;

  const DeviceArray<std::uint8_t> device_kinds(kinds);
  const DeviceArray<std::int32_t> device_bits_index(bits_index);
  const DeviceArray<std::uint64_t> device_bits(bits);
  MaskAllows device = host;
  device.mask.kind = device_kinds.data();
  device.mask.bits_index = device_bits_index.data();
  device.mask.bits = device_bits.data();

  const int pairs = static_cast<int>(kinds.size()) * 70 * 150;
  EXPECT_EQ(on_device(pairs, device), on_host(pairs, host));
}

struct PackedOffsets {
  AttentionParams params;
  HALFTONE_FUNCTION std::uint32_t operator()(int b) const {
    const SequenceExtent e = sequence_extent(params, b);
    return static_cast<std::uint32_t>(row_offset(params, params.q_stride, b, 1, e.begin_q) +
                                      lse_index(params, b, 1, e.begin_q, e.len_q - 1) + e.len_k);
  }
};

TEST_F(SharedHeaders, PackedBatchesAreLaidOutAlike) {
  const std::vector<std::int32_t> starts = {0, 5, 6, 40};
  PackedOffsets host;
  host.params.cu_seqlens_q = host.params.cu_seqlens_k = starts.data();
  host.params.total_q = 40;
  host.params.q_stride = {0, 40 * 64, 64};

  const DeviceArray<std::int32_t> device_starts(starts);
  PackedOffsets device = host;
  device.params.cu_seqlens_q = device.params.cu_seqlens_k = device_starts.data();
  EXPECT_EQ(on_device(3, device), on_host(3, host));
}

}  // namespace
}  // namespace halftone

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return halftone::testing::run_tests();
}
