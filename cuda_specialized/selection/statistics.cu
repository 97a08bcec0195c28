// One pass over K and (for landmarks) V: micro-block moments, block means; and what later kernels start from.
#include "halftone/cuda_specialized/common/barrier.cuh"
#include "halftone/cuda_specialized/common/check.hpp"
#include "halftone/cuda_specialized/common/copy_async.cuh"
#include "halftone/cuda_specialized/selection/groups.cuh"
#include "halftone/cuda_specialized/selection/launch.cuh"

namespace halftone::cuda::selection {
namespace {

constexpr int kThreads = 256;
constexpr int kInFlight = 8;  // 16-byte loads per thread

/// Thread blocks of a sequence and key-value head, and of all of them. After the first come those for the keys, then
/// those for the values.
struct Shares {
  Divider each;
  std::uint32_t all;
};

__host__ __device__ inline int log2_pieces(const Plan& plan) { return plan.dim == 64 ? 3 : 4; }
__host__ __device__ inline int rows_per_block(const Plan& plan) { return kThreads >> log2_pieces(plan); }

/// A thread block's shared memory: rows on their way, [kInFlight, kThreads] pieces, of which a thread touches its own
/// alone; behind a barrier, eight values of every thread.
extern __shared__ __align__(128) uint4 staged[];
constexpr int kSharedBytes = kInFlight * kThreads * static_cast<int>(sizeof(uint4));
using Values = float[kThreads][9];
static_assert(sizeof(Values) <= kSharedBytes);
__device__ inline Values& shared_values() { return *reinterpret_cast<Values*>(staged); }

/// Walks `count` rows of 8 columns each, `stride` elements apart, in order, with kInFlight of them on their way through
/// shared memory. Not unrolled: code comes more slowly than this needs.
template <class Element, class Visit>
__device__ inline void for_rows(const std::uint16_t* next, std::int64_t stride, int count, const Visit& visit) {
  const std::uint32_t mine = shared_address(staged + threadIdx.x);
  constexpr std::uint32_t kSlot = kThreads * sizeof(uint4);
  const auto fetch = [&](int i) {
    if (i < count) copy_async(mine + static_cast<std::uint32_t>(i % kInFlight) * kSlot, next, true);
    copy_commit();
    next += stride;
  };
#pragma unroll 1
  for (int i = 0; i < kInFlight; ++i) fetch(i);
#pragma unroll 1
  for (int i = 0; i < count; ++i) {
    copy_wait<kInFlight - 1>();
    float x[8];
    unpack<Element>(staged[threadIdx.x + static_cast<unsigned>(i % kInFlight * kThreads)], x);
    fetch(i + kInFlight);
    visit(i, x);
  }
}

/// Sums over the micro-blocks of each block become the block's mean, in shared memory and from there in `means`.
template <class Element>
__device__ void store_block_mean(const Plan& plan, float (&sum)[8], std::int32_t sequence, int block, int m, int piece,
                                 std::int32_t len_k, std::uint16_t* means) {
  Values& sums = shared_values();
  // What lay there has been read.
  __syncthreads();
#pragma unroll
  for (int c = 0; c < 8; ++c) sums[threadIdx.x][c] = sum[c];
  __syncthreads();
  const int pieces = plan.dim / 8;
  if (m == 0 && block < plan.blocks && piece * 8 < plan.params.dim) {
    for (int other = 1; other < plan.micros; ++other)
#pragma unroll
      for (int c = 0; c < 8; ++c) sum[c] += sums[threadIdx.x + other * pieces][c];
    const int keys = min(len_k - (block << plan.log2_block), 1 << plan.log2_block);
    const float share = keys > 0 ? 1.0f / static_cast<float>(keys) : 0.0f;
#pragma unroll
    for (int c = 0; c < 8; ++c) sum[c] *= share;
    *reinterpret_cast<uint4*>(means + (std::int64_t{sequence} * plan.blocks + block) * plan.params.dim + piece * 8) =
        pack<Element>(sum);
  }
}

/// Means over the variance groups, to the narrow part of an operand; null: nowhere. By all threads of the block.
__device__ void store_variances(const Plan& plan, const float (&x)[8], std::uint8_t* narrow, std::uint32_t row,
                                int piece) {
  switch (plan.params.dim) {
    case 128: return store_even_groups<true, 4>(x, narrow, row, piece);
    case 64: return store_even_groups<true, 2>(x, narrow, row, piece);
  }
  Values& values = shared_values();
  const int pieces = plan.dim / 8, first = static_cast<int>(threadIdx.x) - piece;  // thread of the row's first piece
  // What lay there has been read.
  __syncthreads();
#pragma unroll
  for (int c = 0; c < 8; ++c) values[threadIdx.x][c] = x[c];
  __syncthreads();
  if (!narrow) return;
#pragma unroll 1
  for (int group = piece; group < patterns::detail::kVarianceGroups; group += pieces)
    narrow_element(narrow, row, group) =
        bfloat16(sum_group<true>(plan.params.dim, group, [&](int j) { return values[first + j / 8][j % 8]; })).bits;
}

/// Zeroes the counts of priorities, by all thread blocks but the first.
__device__ void zero_counts(const Plan& plan) {
  auto* words = reinterpret_cast<uint4*>(plan.first_bins);
  constexpr std::uint32_t kPieces = (kFirstBins + kGroups * kGroupStride + kSecondBins) / 4;
#pragma unroll 1
  for (std::uint32_t i = (blockIdx.x - 1) * kThreads + threadIdx.x; i < kPieces; i += (gridDim.x - 1) * kThreads)
    words[i] = {};
}

/// A thread takes eight dimensions of a micro-block. `kValues`: of V, only for block means.
template <class Element, bool kValues>
__device__ void summarise_micro_blocks(const Plan& plan, std::int32_t sequence, int part) {
  const AttentionParams& p = plan.params;
  const int thread = static_cast<int>(threadIdx.x), log2 = log2_pieces(plan), piece = thread & ((1 << log2) - 1);
  const int micro = part * rows_per_block(plan) + (thread >> log2);
  const int block = micro >> plan.log2_micros, m = micro - (block << plan.log2_micros);
  const auto b = static_cast<std::int32_t>(plan.by_heads_kv.quotient(static_cast<std::uint32_t>(sequence)));
  const SequenceExtent extent = sequence_extent(p, b);
  const auto len_k = static_cast<std::int32_t>(extent.len_k), first = micro << plan.log2_micro_block;
  const int count = max(min(len_k - first, 1 << plan.log2_micro_block), 0);
  const bool real = piece * 8 < p.dim;
  const TensorStrides& stride = kValues ? p.v_stride : p.k_stride;
  const auto* rows = static_cast<const std::uint16_t*>(kValues ? p.v : p.k) +
                     row_offset(p, stride, b, sequence - b * p.heads_kv, extent.begin_k + first) + piece * 8;

  float origin[8] = {}, sum[8] = {}, squares[8] = {};
  for_rows<Element>(rows, stride.seq, real ? count : 0, [&](int i, const float(&x)[8]) {
    if (i == 0) {
#pragma unroll
      for (int c = 0; c < 8; ++c) origin[c] = x[c];
      return;
    }
#pragma unroll
    for (int c = 0; c < 8; ++c) {
      const float distance = x[c] - origin[c];
      sum[c] += distance;
      if constexpr (!kValues) squares[c] = fmaf(distance, distance, squares[c]);
    }
  });
  if constexpr (!kValues) {
    float mean[8], variance[8];
    const float share = count > 0 ? 1.0f / static_cast<float>(count) : 0.0f;
#pragma unroll
    for (int c = 0; c < 8; ++c) {
      const auto moments = patterns::detail::key_moments(origin[c], sum[c], squares[c], share);
      mean[c] = moments.mean;
      variance[c] = moments.variance;
    }
    const int log2_chunk_blocks = kLog2Columns - plan.log2_micros, chunk = block >> log2_chunk_blocks;
    const int row = statistics_row(block - (chunk << log2_chunk_blocks), m, plan.log2_micros);
    std::uint8_t* operand = plan.statistics + (std::int64_t{sequence} * plan.chunks + chunk) * plan.statistics_bytes();
    if (count > 0) *reinterpret_cast<uint4*>(operand + wide_offset(kColumns, row, piece)) = pack<bfloat16>(mean);
    store_variances(plan, variance, count > 0 ? operand + wide_bytes(kColumns, plan.dim) : nullptr, row, piece);
  }
  if (plan.options.landmarks) {
#pragma unroll
    for (int c = 0; c < 8; ++c) sum[c] = fmaf(static_cast<float>(count), origin[c], sum[c]);
    store_block_mean<Element>(plan, sum, sequence, block, m, piece, len_k,
                              kValues ? plan.landmark_value : plan.landmark_key);
  }
}

/// What later kernels start from.
__device__ void prepare(const Plan& plan) {
  __shared__ std::uint32_t all_visible, all_forced;
  const int thread = static_cast<int>(threadIdx.x);
  if (thread == 0) all_visible = all_forced = 0;
  __syncthreads();
#pragma unroll 1
  for (int i = thread; i < plan.list_blocks; i += kThreads) plan.progress[i] = 0;
  std::uint32_t visible = 0, forced = 0;
#pragma unroll 1
  for (int i = thread; i < plan.params.batch * plan.tiles; i += kThreads) {
    const auto b = static_cast<std::int32_t>(plan.by_tiles.quotient(static_cast<std::uint32_t>(i)));
    const TileRange range = plan.sequence(b).range(i - b * plan.tiles);
    visible += static_cast<std::uint32_t>(range.visible);
    forced += static_cast<std::uint32_t>(range.count_forced());
  }
  atomicAdd(&all_visible, visible);
  atomicAdd(&all_forced, forced);
  __syncthreads();
  if (thread > 0) return;
  Control& control = *plan.control;
  control = {};
  control.outcome.visible = std::int64_t{all_visible} * plan.params.heads_q;
  control.outcome.forced = std::int64_t{all_forced} * plan.params.heads_q;
  // The slack makes 0.3 of 10 blocks 3, though 0.3 * 10 may be a rounding below.
  const double budget = floor(plan.options.density * static_cast<double>(control.outcome.visible) * (1.0 + 1e-12));
  const std::int64_t rank = static_cast<std::int64_t>(budget) - control.outcome.forced;
  control.search[0].rank = static_cast<std::uint64_t>(rank < 0 ? 0 : rank);
}

template <class Element>
__global__ void __launch_bounds__(kThreads, 4) statistics_kernel(const __grid_constant__ Plan plan, Shares shares) {
  launch_dependents();
  if (blockIdx.x == 0) return prepare(plan);
  if (plan.has_budget()) zero_counts(plan);
  const std::uint32_t index = blockIdx.x - 1, of_keys = index < shares.all ? index : index - shares.all;
  const std::uint32_t sequence = shares.each.quotient(of_keys);
  const auto part = static_cast<int>(of_keys - sequence * shares.each.divisor);
  if (index < shares.all)
    summarise_micro_blocks<Element, false>(plan, static_cast<std::int32_t>(sequence), part);
  else
    summarise_micro_blocks<Element, true>(plan, static_cast<std::int32_t>(sequence), part);
}

}  // namespace

void launch_statistics(const Plan& plan, cudaStream_t stream) {
  const int rows = rows_per_block(plan);
  const auto micro_blocks = static_cast<std::uint32_t>((plan.blocks * plan.micros + rows - 1) / rows);
  const auto sequences = static_cast<std::uint32_t>(plan.params.batch * plan.params.heads_kv);
  const Shares shares{Divider(micro_blocks), sequences * micro_blocks};
  const std::uint32_t blocks = 1 + shares.all * (plan.options.landmarks ? 2 : 1);
  const auto kernel = plan.params.dtype == DType::bfloat16 ? statistics_kernel<bfloat16> : statistics_kernel<float16>;
  HALFTONE_CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kSharedBytes));
  kernel<<<blocks, kThreads, kSharedBytes, stream>>>(plan, shares);
  HALFTONE_CUDA_CHECK(cudaGetLastError());
}

}  // namespace halftone::cuda::selection
