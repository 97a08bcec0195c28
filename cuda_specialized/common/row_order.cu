#include "halftone/cuda_specialized/common/row_order.hpp"

#include "halftone/cuda_specialized/common/block_scan.cuh"
#include "halftone/cuda_specialized/common/check.hpp"
#include "halftone/cuda_specialized/common/request.hpp"
#include "halftone/cuda_specialized/common/row_place.cuh"

namespace halftone::cuda {
namespace {

constexpr int kThreads = 1024;
constexpr int kLevels = kThreads;             // lengths are measured in shares of the longest
constexpr int kPlaces = 32;                   // parts of the natural order that are kept apart within a class
constexpr int kClasses = kThreads / kPlaces;  // of lengths: 0 the longer rows, then the shorter ones, longest first

/// The rows to order, by their place in the natural order.
struct Rows {
  AttentionParams params;
  std::int32_t tiles, rows_per_mask_row, first, count;

  __device__ std::int32_t row(int i) const { return natural_row(params, tiles, first + i); }
  __device__ int length(int i) const {
    const std::int32_t at = row(i);
    const std::int64_t entry = params.mask.row(at / tiles / params.heads_q, at / tiles % params.heads_q, params.heads_q,
                                               at % tiles / rows_per_mask_row);
    return static_cast<int>(params.mask.row_ptr[entry + 1] - params.mask.row_ptr[entry]);
  }
};

__global__ void __launch_bounds__(kThreads, 1)
    order_rows_kernel(const __grid_constant__ Rows rows, int workers, std::int32_t* order, std::int32_t* next_row) {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");  // the kernel that follows may start, and wait
#endif
  __shared__ int longest, limit, work[kLevels], begin[kThreads];
  const int thread = static_cast<int>(threadIdx.x);
  if (thread == 0) {
    longest = 1;
    limit = kLevels - 1;
    if (next_row) *next_row = 0;
  }
  work[thread] = begin[thread] = 0;
  __syncthreads();
  int most = 0;
  for (int i = thread; i < rows.count; i += kThreads) most = max(most, rows.length(i));
  atomicMax(&longest, most);
  __syncthreads();

  // The shortest rows whose blocks suffice for every worker are the shorter ones: up to level `limit`.
  const auto level = [&](int i) { return static_cast<int>(std::int64_t{rows.length(i)} * (kLevels - 1) / longest); };
  for (int i = thread; i < rows.count; i += kThreads) {
    const int mine = level(i);
    atomicAdd(&work[mine], mine);
  }
  __syncthreads();
  std::uint64_t all;
  const auto mine = static_cast<std::uint64_t>(work[thread]), enough = static_cast<std::uint64_t>(workers) * kLevels;
  const std::uint64_t before = exclusive_scan<kThreads>(mine, all);
  if (before < enough && before + mine >= enough) limit = thread;
  __syncthreads();

  const auto bucket = [&](int i) {
    const int at = level(i), place = static_cast<int>(std::int64_t{rows.row(i)} * kPlaces / (rows.first + rows.count));
    return (at > limit ? 0 : 1 + (limit - at) * (kClasses - 1) / (limit + 1)) * kPlaces + place;
  };
  for (int i = thread; i < rows.count; i += kThreads) atomicAdd(&begin[bucket(i)], 1);
  __syncthreads();
  const auto earlier = static_cast<int>(exclusive_scan<kThreads>(static_cast<std::uint64_t>(begin[thread]), all));
  begin[thread] = earlier;
  __syncthreads();
  for (int i = thread; i < rows.count; i += kThreads) order[atomicAdd(&begin[bucket(i)], 1)] = rows.row(i);
}

}  // namespace

void order_rows(const AttentionParams& params, int block_m, std::int32_t first, int workers, std::int32_t* order,
                std::int32_t* next_row, cudaStream_t stream) {
  const Rows rows{params, tiles_of(params, block_m), params.mask.block_q / block_m, first,
                  static_cast<std::int32_t>(rows_of(params, block_m)) - first};
  order_rows_kernel<<<1, kThreads, 0, stream>>>(rows, workers, order, next_row);
  HALFTONE_CUDA_CHECK(cudaGetLastError());
}

}  // namespace halftone::cuda
