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

template <class T>
__global__ void mean_rows(AttentionParams p, const T* rows, TensorStrides stride, int block_k, T* means) {
  const std::int64_t first = std::int64_t{blockIdx.x} * block_k, last = min(first + block_k, p.seq_k);
  const std::int64_t b = blockIdx.y / p.heads_kv, head = blockIdx.y % p.heads_kv;
  rows += row_offset(p, stride, b, head, 0);
  means += (std::int64_t{blockIdx.y} * gridDim.x + blockIdx.x) * p.dim;
  for (int d = threadIdx.x; d < p.dim; d += blockDim.x) {
    float sum = 0.0f;
    for (std::int64_t key = first; key < last; ++key) sum += float(rows[key * stride.seq + d]);
    means[d] = T(sum / static_cast<float>(last - first));
  }
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

void block_means(const AttentionParams& params, const void* rows, const TensorStrides& stride, int blocks, int block_k,
                 void* means, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(blocks), static_cast<unsigned>(params.batch * params.heads_kv));
  if (params.dtype == DType::float16)
    mean_rows<<<grid, 128, 0, stream>>>(params, static_cast<const float16*>(rows), stride, block_k,
                                        static_cast<float16*>(means));
  else
    mean_rows<<<grid, 128, 0, stream>>>(params, static_cast<const bfloat16*>(rows), stride, block_k,
                                        static_cast<bfloat16*>(means));
  HALFTONE_CUDA_CHECK(cudaGetLastError());
}

void keep_busy(cudaStream_t stream) { busy<<<1, 1, 0, stream>>>(); }

}  // namespace halftone::bench
