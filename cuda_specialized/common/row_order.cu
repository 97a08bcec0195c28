#include "halftone/cuda_specialized/common/row_order.hpp"

#include "halftone/cuda_specialized/common/check.hpp"
#include "halftone/cuda_specialized/common/request.hpp"

namespace halftone::cuda {
namespace {

constexpr int kThreads = 1024;  // also the number of buckets

__global__ void __launch_bounds__(kThreads) sort_rows_kernel(BlockMaskView mask, int heads_q, int tiles, int rows,
                                                             int rows_per_mask_row, std::int32_t* order,
                                                             std::int32_t* next_row) {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");  // the kernel that follows may start, and wait
#endif
  __shared__ int longest, begin[kThreads], warp_total[32];
  const int thread = static_cast<int>(threadIdx.x);
  if (thread == 0) {
    longest = 0;
    if (next_row) *next_row = 0;
  }
  begin[thread] = 0;
  __syncthreads();
  const auto length = [&](int row) {
    const std::int64_t at = mask.row(row / tiles / heads_q, row / tiles % heads_q, heads_q,
                                     row % tiles / rows_per_mask_row);
    return static_cast<int>(mask.row_ptr[at + 1] - mask.row_ptr[at]);
  };
  int most = 0;
  for (int row = thread; row < rows; row += kThreads) most = max(most, length(row));
  atomicMax(&longest, most);
  __syncthreads();
  const auto bucket = [&](int row) {  // 0: the longest rows
    const int n = length(row);
    return longest == 0 ? 0 : kThreads - 1 - static_cast<int>(std::int64_t{n} * (kThreads - 1) / longest);
  };
  for (int row = thread; row < rows; row += kThreads) atomicAdd(&begin[bucket(row)], 1);
  __syncthreads();

  // Exclusive scan of the 1,024 counts: within warps, then over the 32 warps.
  const int count = begin[thread], lane = thread % 32;
  int sum = count;
  for (int step = 1; step < 32; step *= 2) {
    const int other = __shfl_up_sync(0xffffffffu, sum, step);
    if (lane >= step) sum += other;
  }
  if (lane == 31) warp_total[thread / 32] = sum;
  __syncthreads();
  if (thread < 32) {
    int total = warp_total[thread];
    for (int step = 1; step < 32; step *= 2) {
      const int other = __shfl_up_sync(0xffffffffu, total, step);
      if (lane >= step) total += other;
    }
    warp_total[thread] = total;
  }
  __syncthreads();
  begin[thread] = sum - count + (thread >= 32 ? warp_total[thread / 32 - 1] : 0);
  __syncthreads();
  for (int row = thread; row < rows; row += kThreads) order[atomicAdd(&begin[bucket(row)], 1)] = row;
}

}  // namespace

void sort_rows(const AttentionParams& params, int block_m, std::int32_t* order, std::int32_t* next_row,
               cudaStream_t stream) {
  sort_rows_kernel<<<1, kThreads, 0, stream>>>(params.mask, params.heads_q, tiles_of(params, block_m),
                                               static_cast<int>(rows_of(params, block_m)),
                                               params.mask.block_q / block_m, order, next_row);
  HALFTONE_CUDA_CHECK(cudaGetLastError());
}

}  // namespace halftone::cuda
