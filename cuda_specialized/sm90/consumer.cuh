// A consumer warpgroup of the Hopper forward kernel: 64 query rows, products by wgmma, softmax in registers.
#pragma once

#include "halftone/cuda_specialized/sm90/producer.cuh"
#include "halftone/cuda_specialized/sm90/softmax.cuh"
#include "halftone/cuda_specialized/sm90/wgmma.cuh"

namespace halftone::cuda::sm90 {

template <class Config, class Element, bool kLandmarks>
class Consumer {
  using Shared = SharedStorage<Config>;
  static constexpr int kScores = Config::kBlockN / 2;  ///< accumulators per thread of a 64 x kBlockN tile
  static constexpr int kOutputs = Config::kDim / 2;
  static constexpr int kGroupOfEight = 8 * 128;        ///< bytes of eight 128-byte rows

 public:
  __device__ Consumer(const ForwardArgs& args, Shared& shared, int group)
      : args_(args), p_(args.params), s_(shared), group_(group), lane_(static_cast<int>(threadIdx.x) % 32),
        row_in_tile_(group * 64 + static_cast<int>(threadIdx.x) % 128 / 32 * 16 + lane_ / 4) {}

  __device__ void run() {
    if (group_ == 1) named_arrive(turn_barrier(0), 256);  // the first turn is warpgroup 0's
    for (;;) {
      s_.work_full[work_.index].wait(work_.phase);
      const Work work = s_.work[work_.index];
      release(s_.work_empty[work_.index]);
      work_.advance();
      if (work.row < 0) return;
      attend(work);
    }
  }

 private:
  __device__ static int turn_barrier(int group) { return 1 + group; }
  /// Ping-pong: the warpgroups take turns at issuing products, so that one's softmax runs under the other's products.
  __device__ void begin_turn() { named_sync(turn_barrier(group_), 256); }
  __device__ void end_turn() { named_arrive(turn_barrier(1 - group_), 256); }

  __device__ void release(Barrier& barrier) {
    __syncwarp();
    if (lane_ == 0) barrier.arrive();
  }

  /// Starts scores = Q K^T with the tile at the K ring's place.
  __device__ void issue_scores(float (&s)[kScores]) {
    const std::uint8_t* q = s_.q[q_.index] + group_ * 64 * 128;
    const std::uint8_t* k = s_.k[k_.index];
    pin(s);
    wgmma_fence();
#pragma unroll
    for (int step = 0; step < Config::kDim / 16; ++step) {
      const int chunk = step / 4, inside = step % 4 * 32;  // 16 elements are 32 bytes of a 128-byte row
      wgmma_shared<Element>(s, descriptor(q + chunk * Config::kBlockM * 128 + inside, kGroupOfEight, 16),
                            descriptor(k + chunk * Config::kBlockN * 128 + inside, kGroupOfEight, 16), step > 0);
    }
    wgmma_commit();
  }

  /// Starts output += weights V with the tile at the V ring's place.
  __device__ void issue_output(float (&o)[kOutputs], const std::uint32_t (&w)[kScores / 8][4], bool accumulate) {
    const std::uint8_t* v = s_.v[v_.index];
    pin(o);
    wgmma_fence();
#pragma unroll
    for (int step = 0; step < Config::kBlockN / 16; ++step)
      wgmma_registers<Element>(o, w[step], descriptor(v + step * 16 * 128, kGroupOfEight, Config::kBlockN * 128),
                               accumulate || step > 0);
    wgmma_commit();
  }

  __device__ static void to_weights(const float (&s)[kScores], std::uint32_t (&w)[kScores / 8][4]) {
#pragma unroll
    for (int step = 0; step < kScores / 8; ++step)
#pragma unroll
      for (int r = 0; r < 4; ++r) w[step][r] = pack_pair<Element>(s[step * 8 + r * 2], s[step * 8 + r * 2 + 1]);
  }

  __device__ void attend(const Work& work) {
    const RowPlace at(args_, work.row);
    float o[kOutputs];
#pragma unroll
    for (int i = 0; i < kOutputs; ++i) o[i] = 0.0f;
    Softmax<kLandmarks> softmax(p_.scale * 1.44269504f);
    if (work.steps > 0) {
      float s[kScores], shrink[2];
      std::uint32_t w[kScores / 8][4];
      s_.q_full[q_.index].wait(q_.phase);
      s_.k_full[k_.index].wait(k_.phase);
      begin_turn();
      issue_scores(s);
      end_turn();
      wgmma_wait<0>();
      pin(s);
      bool landmarks = adjust(s, at);
      release_key();
      softmax.update(s, landmarks, shrink);
      to_weights(s, w);
      for (int step = 1; step < work.steps; ++step) {
        s_.k_full[k_.index].wait(k_.phase);
        begin_turn();
        issue_scores(s);
        s_.v_full[v_.index].wait(v_.phase);
        issue_output(o, w, step > 1);
        end_turn();
        wgmma_wait<1>();
        pin(s);
        landmarks = adjust(s, at);
        release_key();
        const bool moved = softmax.update(s, landmarks, shrink);
        wgmma_wait<0>();
        pin(o);
        release(s_.v_empty[v_.index]);
        v_.advance();
        if (moved) {
#pragma unroll
          for (int i = 0; i < kOutputs; ++i) o[i] *= shrink[row_of(i)];
        }
        to_weights(s, w);
      }
      release(s_.q_empty[q_.index]);
      q_.advance();
      s_.v_full[v_.index].wait(v_.phase);
      issue_output(o, w, work.steps > 1);
      wgmma_wait<0>();
      pin(o);
      release(s_.v_empty[v_.index]);
      v_.advance();
    }
    store(o, softmax, at);
  }

  __device__ void release_key() {
    release(s_.k_empty[k_.index]);
    k_.advance();
  }

  /// Applies the step's rules to the scores; true when its columns are landmarks.
  __device__ bool adjust(float (&s)[kScores], const RowPlace& at) {
    const Step& step = s_.step[k_.index];
    bool landmarks = false;
#pragma unroll
    for (int half = 0; half < Config::kHalves; ++half) {
      const std::int32_t flags = step.flags[half];
      if (flags == 0) continue;
      if constexpr (kLandmarks) {
        if (flags & kStepLandmark) {
          landmarks = true;
          add_bias(s, half, step.first[half], at);
          continue;
        }
      }
      mask_half(s, half, flags, step, at);
    }
    return landmarks;
  }

  __device__ void mask_half(float (&s)[kScores], int half, std::int32_t flags, const Step& step, const RowPlace& at) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const std::int64_t query = std::int64_t{at.tile} * Config::kBlockM + row_in_tile_ + 8 * r;
      const std::int64_t diagonal = query + at.diagonal() - step.first[half];  // column on the diagonal
      std::int64_t low = 0, high = 63;  // columns that count
      if (flags & kBlockRagged) high = min(high, at.extent.len_k - 1 - step.first[half]);
      if (flags & kBlockCausal) high = min(high, diagonal);
      if (flags & kBlockWindow) {
        low = max(low, diagonal - p_.mask.window_left);
        high = min(high, diagonal + p_.mask.window_right);
      }
      if (flags & kStepAbsent) high = -1;
      std::uint64_t bits = ~std::uint64_t{0};
      if (flags & kBlockBits) {
        const std::int32_t parts = p_.mask.block_k / 64, block = step.bits[half] / parts, part = step.bits[half] % parts;
        bits = p_.mask.bits[(std::int64_t{block} * Config::kBlockM + row_in_tile_ + 8 * r) * parts + part];
      }
      const int first = static_cast<int>(max(low, std::int64_t{0})), last = static_cast<int>(max(high, std::int64_t{-1}));
      bits = first > 63 ? 0 : bits >> first << first;
      bits = last < 63 ? bits & ((std::uint64_t{1} << (last + 1)) - 1) : bits;
      bits >>= lane_ % 4 * 2;
#pragma unroll
      for (int j = 0; j < 8; ++j)
#pragma unroll
        for (int c = 0; c < 2; ++c)
          if (!(bits >> (j * 8 + c) & 1u)) s[half * 32 + j * 4 + r * 2 + c] = -INFINITY;
    }
  }

  __device__ void add_bias(float (&s)[kScores], int half, std::int32_t first, const RowPlace& at) {
    const LandmarkView& l = p_.landmarks;
    const float* bias = l.bias + ((std::int64_t{at.b} * p_.heads_q + at.head) * l.tiles + at.tile) * l.blocks;
    const float unscale = 1.0f / p_.scale;  // scores are unscaled here
#pragma unroll
    for (int j = 0; j < 8; ++j)
#pragma unroll
      for (int c = 0; c < 2; ++c) {
        const int column = first + j * 8 + lane_ % 4 * 2 + c;
        const float value = column < l.blocks ? __ldg(bias + column) * unscale : -INFINITY;
        s[half * 32 + j * 4 + c] += value;
        s[half * 32 + j * 4 + 2 + c] += value;
      }
  }

  __device__ void store(const float (&o)[kOutputs], Softmax<kLandmarks>& softmax, const RowPlace& at) {
    auto* base = static_cast<std::uint16_t*>(p_.o) + row_offset(p_, p_.o_stride, at.b, at.head, at.extent.begin_q);
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float lse, far_mass;
      const float factor = softmax.finish(r, p_.sink ? p_.sink + at.head : nullptr, lse, far_mass);
      const std::int64_t query = std::int64_t{at.tile} * Config::kBlockM + row_in_tile_ + 8 * r;
      if (query >= at.extent.len_q) continue;
      std::uint16_t* row = base + query * p_.o_stride.seq;
#pragma unroll
      for (int j = 0; j < Config::kDim / 8; ++j) {
        const int column = j * 8 + lane_ % 4 * 2;
        const std::uint32_t pair = pack_pair<Element>(o[j * 4 + r * 2] * factor, o[j * 4 + r * 2 + 1] * factor);
        if (column + 1 < p_.dim) *reinterpret_cast<std::uint32_t*>(row + column) = pair;
      }
      if (lane_ % 4 == 0) {
        const std::int64_t index = lse_index(p_, at.b, at.head, at.extent.begin_q, query);
        if (p_.lse) p_.lse[index] = lse;
        if (p_.far_mass) p_.far_mass[index] = far_mass;
      }
    }
  }

  const ForwardArgs& args_;
  const AttentionParams& p_;
  Shared& s_;
  int group_, lane_, row_in_tile_;
  RingPlace<Config::kQueryStages> q_;
  RingPlace<Config::kStages> k_, v_;
  RingPlace<2> work_;
};

}  // namespace halftone::cuda::sm90
