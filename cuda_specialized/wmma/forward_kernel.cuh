// The mma.sync forward kernel: one thread block per query tile, K and V through a ring of tiles filled by cp.async.
#pragma once

#include "halftone/cuda_specialized/common/key_blocks.cuh"
#include "halftone/cuda_specialized/common/softmax.cuh"
#include "halftone/cuda_specialized/common/store_rows.cuh"
#include "halftone/cuda_specialized/wmma/forward_args.hpp"
#include "halftone/cuda_specialized/wmma/forward_config.hpp"
#include "halftone/cuda_specialized/wmma/shared_tile.cuh"

namespace halftone::cuda::wmma {

/// What a thread block works on. In shared memory, which spares registers.
struct Plan {
  static constexpr int kAhead = 16;  ///< steps planned at once, each by one thread

  RowPlace at;
  KeyBlockList blocks;
  const float* bias;          ///< of landmarks
  KeyBlock step[2 * kAhead];  ///< ring: step j at j modulo its size
};

template <class Config, class Element, bool kLandmarks>
class QueryTile {
  static constexpr int kRowTiles = Config::kRowTiles;
  static constexpr int kScores = Config::kBlockN / 2;  ///< accumulators per thread of 16 x kBlockN scores
  static constexpr int kOutputs = Config::kDim / 2;
  using KeyTile = SharedTile<Config, Config::kBlockN>;

 public:
  /// For the plan's row, which holds at least one query; `shared`: Config::kSharedBytes for queries, then the ring.
  __device__ QueryTile(const AttentionParams& p, Plan& plan, std::uint32_t shared)
      : p_(p), plan_(plan), at_(plan.at), shared_(shared), along_(false), across_(true) {}

  /// Ring: K of step j in slot 2 j, V in 2 j + 1, modulo 3. K of the next step goes where V of the step before was,
  /// V of the next where K of this step was, each as soon as all warps are past the products that read it.
  __device__ void run() {
    float o[kRowTiles][kOutputs] = {};
    Softmax<kLandmarks> softmax[kRowTiles];
#pragma unroll
    for (auto& rows : softmax) rows.scale_log2 = p_.scale * 1.44269504f;
    const std::int32_t steps = count_steps();
    plan_steps(0);
    __syncthreads();
    if (steps > 0) {
      load_queries();
      std::uint32_t here = shared_ + Config::kQueryBytes;
      std::uint32_t after = here + Config::kTileBytes, last = after + Config::kTileBytes;
      load_keys(here, 0);
      load_values(after, 0);
      for (std::int32_t step = 0; step < steps; ++step) {
        if (step % Plan::kAhead == 0) plan_steps(step + Plan::kAhead);
        arrive();  // K; and all warps are past V of the step before
        if (step + 1 < steps) load_keys(last, step + 1);
        else copy_commit();
        std::uint32_t w[kRowTiles][kScores / 8][4];
        weights(w, o, softmax, here, block_of(step));
        arrive();  // V; and all warps are past K
        if (step + 1 < steps) load_values(here, step + 1);
        else copy_commit();
        output(o, w, after);
        const std::uint32_t old = here;
        here = last;
        last = after;
        after = old;
      }
    }
#pragma unroll
    for (int t = 0; t < kRowTiles; ++t) store(o[t], softmax[t], query(t));
  }

 private:
  /// All copies but the youngest group have arrived, for all threads.
  __device__ void arrive() {
    copy_wait<1>();
    __syncthreads();
  }

  __device__ std::int32_t count_steps() const {
    if constexpr (kLandmarks) return plan_.blocks.count + (p_.landmarks.blocks + Config::kBlockN - 1) / Config::kBlockN;
    return plan_.blocks.count;
  }

  /// Writes steps first .. first + kAhead - 1 into the plan: the row's blocks from the last to the first (where the
  /// diagonal is masked), then landmarks. Between this and the first use lies a barrier.
  __device__ void plan_steps(std::int32_t first) {
    const std::int32_t step = first + static_cast<std::int32_t>(threadIdx.x);
    if (threadIdx.x >= Plan::kAhead || step >= count_steps()) return;
    const std::int32_t count = plan_.blocks.count;
    KeyBlock& planned = plan_.step[step % (2 * Plan::kAhead)];
    if (step < count) planned = key_block(p_, at_, plan_.blocks, count - 1 - step);
    else planned = {(step - count) * Config::kBlockN, kStepLandmark, 0};
  }
  __device__ const KeyBlock& block_of(std::int32_t step) const { return plan_.step[step % (2 * Plan::kAhead)]; }

  /// First query row of this warp in the tile.
  __device__ static int warp_row() { return static_cast<int>(threadIdx.x) / 32 * 16 * kRowTiles; }

  /// First of this thread's two queries (the other is 8 further) in a 16-row tile of its warp.
  __device__ std::int32_t query(int row_tile) const {
    return at_.first_query + warp_row() + row_tile * 16 + static_cast<int>(threadIdx.x) % 32 / 4;
  }

  __device__ void load_queries() {
    const std::int64_t first = row_offset(p_, p_.q_stride, at_.b, at_.head, at_.begin_q + at_.first_query);
    const SharedTile<Config, Config::kBlockM> tile{shared_};
    tile.load(p_.q, first, p_.q_stride.seq, at_.len_q - at_.first_query, p_.dim);
  }
  __device__ void load_keys(std::uint32_t slot, std::int32_t step) {
    load_tile(slot, p_.k, p_.k_stride, p_.landmarks.key, block_of(step));
  }
  __device__ void load_values(std::uint32_t slot, std::int32_t step) {
    load_tile(slot, p_.v, p_.v_stride, p_.landmarks.value, block_of(step));
  }
  __device__ void load_tile(std::uint32_t slot, const void* rows, const TensorStrides& strides, const void* landmarks,
                            const KeyBlock& block) {
    const KeyTile tile{slot};
    bool keys = true;
    if constexpr (kLandmarks) keys = !(block.flags & kStepLandmark);
    if (keys) {
      const std::int64_t first = row_offset(p_, strides, at_.b, at_.head_kv, at_.begin_k + block.first);
      tile.load(rows, first, strides.seq, at_.len_k - block.first, p_.dim);
    } else {
      const std::int64_t head = std::int64_t{at_.b} * p_.heads_kv + at_.head_kv;
      const std::int64_t first = (head * p_.landmarks.blocks + block.first) * p_.dim;
      tile.load(landmarks, first, p_.dim, p_.landmarks.blocks - block.first, p_.dim);
    }
    copy_commit();
  }

  /// w = weights of the step's keys, as 16-bit operands; earlier output is brought to their reference point.
  __device__ void weights(std::uint32_t (&w)[kRowTiles][kScores / 8][4], float (&o)[kRowTiles][kOutputs],
                          Softmax<kLandmarks> (&softmax)[kRowTiles], std::uint32_t keys, const KeyBlock& block) const {
    float s[kRowTiles][kScores] = {};
    scores(s, keys);
    const std::int32_t flags = block.flags;
    const bool landmarks = kLandmarks && (flags & kStepLandmark);
#pragma unroll
    for (int t = 0; t < kRowTiles; ++t) {
      if (landmarks) add_landmark_bias(s[t], 0, p_, plan_.bias, block.first);
      else if (flags != 0) hide_scores(s[t], 0, p_, at_, block, query(t));
      float part[2];
      if (softmax[t].template weigh<Element>(s[t], w[t], part))
        softmax[t].template reweigh<Element>(s[t], w[t], part, o[t]);
      softmax[t].add(part, landmarks);
    }
  }

  /// s += Q K^T.
  __device__ void scores(float (&s)[kRowTiles][kScores], std::uint32_t keys) const {
#pragma unroll
    for (int d = 0; d < Config::kDim / 16; ++d) {
      std::uint32_t q[kRowTiles][4];
#pragma unroll
      for (int t = 0; t < kRowTiles; ++t)
        load_matrices(q[t], along_(shared_ + warp_row() * Config::kRowBytes, t * 16, d));
#pragma unroll
      for (int n = 0; n < Config::kBlockN / 16; ++n) {
        std::uint32_t k[4];
        load_matrices(k, across_(keys, n * 16, d));
#pragma unroll
        for (int t = 0; t < kRowTiles; ++t) {
          multiply<Element>(s[t], n * 8, q[t], k[0], k[1]);
          multiply<Element>(s[t], n * 8 + 4, q[t], k[2], k[3]);
        }
      }
    }
  }

  /// o += weights V.
  __device__ void output(float (&o)[kRowTiles][kOutputs], const std::uint32_t (&w)[kRowTiles][kScores / 8][4],
                         std::uint32_t values) const {
#pragma unroll
    for (int n = 0; n < Config::kBlockN / 16; ++n)
#pragma unroll
      for (int d = 0; d < Config::kDim / 16; ++d) {
        std::uint32_t v[4];
        load_matrices_transposed(v, along_(values, n * 16, d));
#pragma unroll
        for (int t = 0; t < kRowTiles; ++t) {
          multiply<Element>(o[t], d * 8, w[t][n], v[0], v[1]);
          multiply<Element>(o[t], d * 8 + 4, w[t][n], v[2], v[3]);
        }
      }
  }

  __device__ void store(const float (&o)[kOutputs], const Softmax<kLandmarks>& softmax, std::int32_t query) const {
    float factor[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float lse, far_mass;
      factor[r] = softmax.finish(r, p_.sink ? p_.sink + at_.head : nullptr, lse, far_mass);
      store_sums(p_, at_, query + 8 * r, lse, far_mass);
    }
    store_output<Element>(p_, at_, query, o, factor);
  }

  const AttentionParams& p_;
  Plan& plan_;
  const RowPlace& at_;
  std::uint32_t shared_;
  LanePlace<Config> along_, across_;
};

template <class Config, class Element, bool kLandmarks>
__global__ void __launch_bounds__(Config::kThreads, Config::kBlocksPerSm)
    forward_kernel(const __grid_constant__ ForwardArgs args) {
  extern __shared__ __align__(128) std::uint8_t shared[];
  const AttentionParams& p = args.params;
  __shared__ Plan plan;
  if (threadIdx.x == 0) {
    const auto next = static_cast<std::int32_t>(blockIdx.x);
    plan.at =
        row_place(p, args.tiles, Config::kBlockM, args.order ? args.order[next] : natural_row(p, args.tiles, next));
    if (plan.at.first_query < plan.at.len_q) plan.blocks = key_blocks(p, plan.at, Config::kBlockM);
    if constexpr (kLandmarks) plan.bias = landmark_bias(p, landmark_row(p, plan.at));
  }
  __syncthreads();
  if (plan.at.first_query < plan.at.len_q)
    QueryTile<Config, Element, kLandmarks>(p, plan, shared_address(shared)).run();
}

}  // namespace halftone::cuda::wmma
