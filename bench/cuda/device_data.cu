#include "device_data.hpp"
#include "halftone/core/philox.hpp"
#include "halftone/cuda_specialized/common/check.hpp"

namespace halftone::bench {
namespace {

constexpr int kThreads = 256, kBlocks = 1056;
constexpr long long kBusyCycles = 90000;

__device__ std::int64_t first_index() { return std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; }
__device__ std::int64_t stride() { return std::int64_t{gridDim.x} * blockDim.x; }

template <class T>
__global__ void fill(T* data, std::int64_t count, Philox random) {
  for (std::int64_t i = first_index(); i < count; i += stride())
    data[i] = T(random.normal(static_cast<std::uint64_t>(i)));
}

template <class T>
__global__ void squares(const T* a, const T* b, std::int64_t count, double* sums) {
  double difference = 0.0, reference = 0.0;
  for (std::int64_t i = first_index(); i < count; i += stride()) {
    const double x = float(a[i]), y = float(b[i]);
    difference += (x - y) * (x - y);
    reference += y * y;
  }
  atomicAdd(&sums[0], difference);
  atomicAdd(&sums[1], reference);
}

__global__ void read(const uint4* data, std::int64_t count, std::uint32_t* never) {
  std::uint32_t sum = 0;
  for (std::int64_t i = first_index(); i < count; i += stride()) {
    const uint4 x = data[i];
    sum ^= x.x ^ x.y ^ x.z ^ x.w;
  }
  if (sum != 0) *never = sum;  // all bytes of the buffer are equal
}

__global__ void busy() {
  const long long start = clock64();
  while (clock64() - start < kBusyCycles) {
  }
}

}  // namespace

void fill_normal(void* data, std::int64_t count, DType dtype, std::uint64_t which, cudaStream_t stream) {
  const Philox random{2026, which};
  if (dtype == DType::float16)
    fill<<<kBlocks, kThreads, 0, stream>>>(static_cast<float16*>(data), count, random);
  else
    fill<<<kBlocks, kThreads, 0, stream>>>(static_cast<bfloat16*>(data), count, random);
  HALFTONE_CUDA_CHECK(cudaGetLastError());
}

void add_squares(const void* a, const void* b, std::int64_t count, DType dtype, double* sums, cudaStream_t stream) {
  if (dtype == DType::float16)
    squares<<<kBlocks, kThreads, 0, stream>>>(static_cast<const float16*>(a), static_cast<const float16*>(b), count,
                                              sums);
  else
    squares<<<kBlocks, kThreads, 0, stream>>>(static_cast<const bfloat16*>(a), static_cast<const bfloat16*>(b), count,
                                              sums);
  HALFTONE_CUDA_CHECK(cudaGetLastError());
}

void read_all(void* data, std::size_t bytes, cudaStream_t stream) {
  read<<<kBlocks, kThreads, 0, stream>>>(static_cast<const uint4*>(data), static_cast<std::int64_t>(bytes / 16),
                                         static_cast<std::uint32_t*>(data));
  HALFTONE_CUDA_CHECK(cudaGetLastError());
}

void keep_busy(cudaStream_t stream) { busy<<<1, 1, 0, stream>>>(); }

}  // namespace halftone::bench
