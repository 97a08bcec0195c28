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

/// Calls f(landmark, bias) for those that count for query `at`, shared out over the block's threads.
template <class F>
__device__ void for_each_landmark(const AttentionParams& p, const Query& at, F&& f) {
  const LandmarkView& l = p.landmarks;
  if (!l.key) return;
  const float* bias = l.bias + ((at.b * p.heads_q + at.h) * l.tiles + at.i / l.block_q) * l.blocks;
  for (int j = threadIdx.x; j < l.blocks; j += kThreads)
    if (bias[j] > -INFINITY) f(j, bias[j]);
}

/// Entries of the softmax: the keys, then the landmarks.
HALFTONE_FUNCTION std::int64_t entries(const AttentionParams& p) {
  return p.seq_k + (p.landmarks.key ? p.landmarks.blocks : 0);
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
  const std::int64_t first_landmark = (at.b * p.heads_kv + head_kv) * p.landmarks.blocks * p.dim;
  const T* landmark_k = static_cast<const T*>(p.landmarks.key) + first_landmark;
  const T* landmark_v = static_cast<const T*>(p.landmarks.value) + first_landmark;
  const T* o = static_cast<const T*>(p.o) + row_offset(p, p.o_stride, at.b, at.h, at.i);
  const std::int64_t count = entries(p);
  float* scores = scratch + blockIdx.x * count;

  __shared__ float s_q[kMaxDim];
  for (int d = threadIdx.x; d < p.dim; d += kThreads) s_q[d] = float(q[d]) * p.scale;
  for (std::int64_t entry = threadIdx.x; entry < count; entry += kThreads) scores[entry] = never;
  __syncthreads();

  float largest = never;
  const auto add_score = [&](std::int64_t entry, const T* row, float score) {
    for (int d = 0; d < p.dim; ++d) score = fmaf(s_q[d], float(row[d]), score);
    scores[entry] = score;
    largest = fmaxf(largest, score);
  };
  for_each_key(p, at, [&](std::int64_t key) { add_score(key, k + key * p.k_stride.seq, 0.0f); });
  for_each_landmark(p, at, [&](int j, float bias) { add_score(p.seq_k + j, landmark_k + j * p.dim, bias); });
  largest = reduce<Max>(largest);
  float sum = 0.0f;
  for (std::int64_t entry = threadIdx.x; entry < count; entry += kThreads) {
    const float weight = scores[entry] == never ? 0.0f : expf(scores[entry] - largest);
    scores[entry] = weight;
    sum += weight;
  }
  sum = reduce<Sum>(sum);

  // Groups of dim threads take turns over the entries, each thread one output element.
  __shared__ float s_parts[kThreads];
  const int groups = max(1, kThreads / p.dim), group = threadIdx.x / p.dim, d = threadIdx.x % p.dim;
  float part = 0.0f;
  if (group < groups)
    for (std::int64_t entry = group; entry < count; entry += groups) {
      if (!(scores[entry] > 0.0f)) continue;
      const T* row = entry < p.seq_k ? v + entry * p.v_stride.seq : landmark_v + (entry - p.seq_k) * p.dim;
      part = fmaf(scores[entry], float(row[d]), part);
    }
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
  return static_cast<std::size_t>(entries(params)) * static_cast<std::size_t>(count);
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
