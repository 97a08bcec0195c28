#include <cmath>

#include "halftone/cuda_specialized/common/check.hpp"
#include "naive_attention.hpp"

namespace halftone::bench {
namespace {

constexpr int kThreads = 256, kMaxDim = 256;

struct Sum {
  __device__ static float of(float a, float b) { return a + b; }
};
struct Max {
  __device__ static float of(float a, float b) { return fmaxf(a, b); }
};

/// Over all threads of the block, by halving in shared memory.
template <class Op>
__device__ float reduce(float value) {
  __shared__ float s_values[kThreads];
  __syncthreads();
  s_values[threadIdx.x] = value;
  for (int half = kThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) s_values[threadIdx.x] = Op::of(s_values[threadIdx.x], s_values[threadIdx.x + half]);
  }
  __syncthreads();
  return s_values[0];
}

struct Query {
  std::int64_t b, h, i;
};

/// Calls f(key) for the keys that query `at` may attend to, shared out over the block's threads.
template <class F>
__device__ void for_each_key(const AttentionParams& p, const Query& at, F&& f) {
  if (!p.mask.row_ptr) {
    const std::int64_t end = p.causal ? at.i + p.seq_k - p.seq_q + 1 : p.seq_k;
    for (std::int64_t key = threadIdx.x; key < end; key += kThreads) f(key);
    return;
  }
  const std::int64_t row = p.mask.row(at.b, at.h, p.heads_q, at.i / p.mask.block_q);
  for (std::int64_t e = p.mask.row_ptr[row]; e < p.mask.row_ptr[row + 1]; ++e)
    for (int j = threadIdx.x; j < p.mask.block_k; j += kThreads) {
      const std::int64_t key = std::int64_t{p.mask.col_idx[e]} * p.mask.block_k + j;
      if (key < p.seq_k && p.mask.allows(e, at.i, key, p.seq_q, p.seq_k)) f(key);
    }
}

template <class T>
__global__ void row_error(AttentionParams p, const std::int64_t* rows, float* scratch, float* errors) {
  const float never = -INFINITY;
  const std::int64_t row = rows[blockIdx.x];
  const Query at{row / (p.heads_q * p.seq_q), row / p.seq_q % p.heads_q, row % p.seq_q};
  const std::int64_t head_kv = at.h / (p.heads_q / p.heads_kv);
  const T* q = static_cast<const T*>(p.q) + row_offset(p, p.q_stride, at.b, at.h, at.i);
  const T* k = static_cast<const T*>(p.k) + row_offset(p, p.k_stride, at.b, head_kv, 0);
  const T* v = static_cast<const T*>(p.v) + row_offset(p, p.v_stride, at.b, head_kv, 0);
  const T* o = static_cast<const T*>(p.o) + row_offset(p, p.o_stride, at.b, at.h, at.i);
  float* scores = scratch + blockIdx.x * p.seq_k;

  __shared__ float s_q[kMaxDim];
  for (int d = threadIdx.x; d < p.dim; d += kThreads) s_q[d] = float(q[d]) * p.scale;
  for (std::int64_t key = threadIdx.x; key < p.seq_k; key += kThreads) scores[key] = never;
  __syncthreads();

  float largest = never;
  for_each_key(p, at, [&](std::int64_t key) {
    float score = 0.0f;
    for (int d = 0; d < p.dim; ++d) score = fmaf(s_q[d], float(k[key * p.k_stride.seq + d]), score);
    scores[key] = score;
    largest = fmaxf(largest, score);
  });
  largest = reduce<Max>(largest);
  float sum = 0.0f;
  for (std::int64_t key = threadIdx.x; key < p.seq_k; key += kThreads) {
    const float weight = scores[key] == never ? 0.0f : expf(scores[key] - largest);
    scores[key] = weight;
    sum += weight;
  }
  sum = reduce<Sum>(sum);

  // Groups of dim threads take turns over the keys, each thread one output element.
  __shared__ float s_parts[kThreads];
  const int groups = max(1, kThreads / p.dim), group = threadIdx.x / p.dim, d = threadIdx.x % p.dim;
  float part = 0.0f;
  if (group < groups)
    for (std::int64_t key = group; key < p.seq_k; key += groups)
      if (scores[key] > 0.0f) part = fmaf(scores[key], float(v[key * p.v_stride.seq + d]), part);
  s_parts[threadIdx.x] = part;
  __syncthreads();
  float difference = 0.0f, reference = 0.0f;
  if (group == 0) {
    for (int g = 1; g < groups; ++g) part += s_parts[g * p.dim + d];
    const float exact = sum > 0.0f ? part / sum : 0.0f;
    difference = float(o[d]) - exact;
    reference = exact * exact;
  }
  difference = reduce<Sum>(difference * difference);
  reference = reduce<Sum>(reference);
  if (threadIdx.x == 0) {
    errors[2 * blockIdx.x] = difference;
    errors[2 * blockIdx.x + 1] = reference;
  }
}

}  // namespace

std::size_t naive_scratch_floats(const AttentionParams& params, int count) {
  return static_cast<std::size_t>(params.seq_k) * static_cast<std::size_t>(count);
}

void naive_row_errors(const AttentionParams& params, const std::int64_t* rows, int count, float* scratch, float* errors,
                      cudaStream_t stream) {
  if (params.dtype == DType::float16)
    row_error<float16><<<count, kThreads, 0, stream>>>(params, rows, scratch, errors);
  else
    row_error<bfloat16><<<count, kThreads, 0, stream>>>(params, rows, scratch, errors);
  HALFTONE_CUDA_CHECK(cudaGetLastError());
}

}  // namespace halftone::bench
