// A warpgroup's 64 representatives against all statistics of their key-value head: products, log-masses, and the blocks'
// exponentials.
//
// 64 micro-blocks at a time, half of what one copy brings: the products of the second half run while the arithmetic of
// the first one does, and those of the other warpgroup while that of the second one does. Exponentials are relative to a reference point per row, which moves up when a log-mass lies far above
// it; the softmax's denominator is known after the last of them.
#pragma once

#include "halftone/cuda_specialized/selection/elements.cuh"
#include "halftone/cuda_specialized/selection/scores_config.cuh"
#include "halftone/cuda_specialized/sm90/wgmma.cuh"

namespace halftone::cuda::selection {

/// Descriptor of an operand of 16 columns in the 32-byte swizzle (PTX ISA, "matrix descriptor format"): 256 bytes
/// between groups of eight rows. Made uniform over the warp, as Operand is.
__device__ inline std::uint64_t narrow_operand(const void* shared) {
  const std::uint32_t low = __shfl_sync(0xffffffffu, shared_address(shared) >> 4, 0) | 1u << 16;
  return std::uint64_t{256 >> 4 | 3u << 30} << 32 | low;
}

template <class Config>
class ScoreEstimate {
  static constexpr int kHalf = kColumns / 2;                    ///< micro-blocks of a product
  static constexpr int kTile = kHalf / 2;                       ///< accumulators per thread of a 64 x kHalf product
  static constexpr int kEach = kTile / 2;                       ///< micro-blocks that a thread holds of a row
  static constexpr int kBlocks = kEach / Config::kMicros;       ///< blocks
  static constexpr int kMasses = Config::kSum ? kEach : kBlocks;  ///< log-masses that matter
  static constexpr int kSteps = Config::kDim / 16;
  static constexpr float kMoveAbove = 32.0f;  ///< the reference point moves if a log-mass lies so far above it

 public:
  /// `shares`: of the warpgroup's first row.
  __device__ ScoreEstimate(const Plan& plan, ScoreShared<Config>& shared, int group, std::uint16_t* shares)
      : plan_(plan),
        s_(shared),
        group_(group),
        lane_(static_cast<int>(threadIdx.x % 32)),
        row_(static_cast<int>(threadIdx.x % 128 / 32) * 16 + lane_ / 4),
        shares_(shares + row_ * plan.share_pitch() + lane_ % 4 * 2 * kBlocks),
        log2_size_(log2f(static_cast<float>(plan.options.micro_block))) {}

  /// What does not depend on the kernel before: where the item's sequence ends.
  __device__ void place(const ItemPlace& item) {
    const int first_row = item.group * kItemRows + group_ * kRowGroup + row_;
    const int b = item.sequence / plan_.params.heads_kv;
    const auto len_k = static_cast<std::uint32_t>(plan_.geometry.len_k(b));
    const auto size = static_cast<std::uint32_t>(plan_.options.micro_block);
    short_ = static_cast<int>(len_k / size);
    const std::uint32_t rest = len_k % size;
    micros_ = short_ + (rest > 0);
    log2_short_ = rest > 0 ? log2f(static_cast<float>(rest)) : log2_size_;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int tile = RepresentativePlace(plan_, first_row + 8 * r).tile;
      range_[r] = tile < plan_.tiles ? plan_.ranges + b * plan_.tiles + tile : nullptr;
    }
  }

  /// The exponentials of the blocks of `chunks` copies, to the shares; from them to shares, to the factors.
  __device__ void run(int chunks) {
    int least = short_;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int visible = range_[r] ? range_[r]->visible * Config::kMicros : 0;
      limit_[r] = min(visible, micros_);
      least = min(least, visible);
    }
    plain_ = __reduce_min_sync(0xffffffffu, least);
    std::uint32_t query[kSteps][4], square[4];
    load_rows(query, square);
    reference_[0] = reference_[1] = sum_[0] = sum_[1] = 0.0f;
    float mean[2][kTile], variance[2][kTile];
    for (int chunk = 0; chunk < chunks; ++chunk) {
      s_.full[ring_.index].wait(ring_.phase);
      issue(mean[0], variance[0], query, square, 0);
      issue(mean[1], variance[1], query, square, 1);
      finish_but<1>(mean[0], variance[0]);
      weigh(mean[0], variance[0], chunk, 0);
      finish_but<0>(mean[1], variance[1]);
      release(s_.empty[ring_.index]);
      ring_.advance();
      weigh(mean[1], variance[1], chunk, 1);
    }
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const float total = quad_sum(sum_[r]);
      if (lane_ % 4 == 0) s_.factor[group_ * kRowGroup + row_ + 8 * r] = total == 0.0f ? 0.0f : __fdividef(kShareScale, total);
    }
  }

 private:
  /// The representatives and their squares, as wgmma takes them from registers.
  __device__ void load_rows(std::uint32_t (&query)[kSteps][4], std::uint32_t (&square)[4]) {
    s_.rows_full.wait(rows_phase_);
    rows_phase_ ^= 1u;
    const std::uint32_t row = threadIdx.x % 128 / 32 * 16 + threadIdx.x % 16, piece = threadIdx.x % 32 / 16;
    const std::uint8_t* rows = s_.rows[group_];
#pragma unroll
    for (int step = 0; step < kSteps; ++step)
      load_matrices(query[step], shared_address(rows + wide_offset(kRowGroup, row, 2 * step + piece)));
    load_matrices(square, shared_address(rows + wide_bytes(kRowGroup, Config::kDim) + narrow_offset(row, piece)));
    release(s_.rows_empty);
  }

  __device__ void issue(float (&mean)[kTile], float (&variance)[kTile], const std::uint32_t (&query)[kSteps][4],
                        const std::uint32_t (&square)[4], int half) {
    const std::uint8_t* statistics = s_.statistics[ring_.index];
    const Operand<1024, 16> means(statistics + half * kHalf * 128);
    const std::uint64_t variances = narrow_operand(statistics + wide_bytes(kColumns, Config::kDim) + half * kHalf * 32);
    pin(mean);
    pin(variance);
    wgmma_fence();
#pragma unroll
    for (int step = 0; step < kSteps; ++step)
      wgmma_registers_along_k(mean, query[step], means.at(step / 4 * kColumns * 128 + step % 4 * 32), step > 0);
    wgmma_registers_along_k(variance, square, variances, 0);
    wgmma_commit();
  }

  template <int kPending>
  __device__ void finish_but(float (&mean)[kTile], float (&variance)[kTile]) {
    wgmma_wait<kPending>();
    pin(mean);
    pin(variance);
  }

  __device__ void release(Barrier& barrier) {
    __syncwarp();
    if (lane_ == 0) barrier.arrive();
  }

  /// Accumulator of this thread's row r, its micro-block `at` of the product (statistics_row).
  __device__ static constexpr int accumulator(int r, int at) { return at / 2 * 4 + r * 2 + at % 2; }

  /// NaN comes through.
  __device__ static float larger(float a, float b) {
    float c;
    asm("max.NaN.f32 %0, %1, %2;" : "=f"(c) : "f"(a), "f"(b));
    return c;
  }
  __device__ static float smaller(float a, float b) {
    float c;
    asm("min.NaN.f32 %0, %1, %2;" : "=f"(c) : "f"(a), "f"(b));
    return c;
  }

  /// The part of a log-mass that the variance makes, capped; `log2_count` of the keys, `base` is added.
  __device__ float spread(float variance, float log2_count, float base) const {
    return smaller(fmaf(mass_.half_variance, variance, base), fmaf(0.5f * mass_.half_variance, variance, base + log2_count));
  }

  /// One product's part of the softmax.
  __device__ void weigh(float (&mean)[kTile], const float (&variance)[kTile], int chunk, int half) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const float base = log2_size_ - reference_[r];
#pragma unroll
      for (int at = 0; at < kEach; ++at) {
        const int i = accumulator(r, at);
        mean[i] = fmaf(mass_.logit, mean[i], spread(variance[i], log2_size_, base));
      }
    }
    if ((chunk + 1) * kColumns > plain_)
      mask(mean, variance, chunk * kColumns + (lane_ % 4 * 2 + half) * kEach);

    float mass[2][kMasses], top[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      top[r] = -INFINITY;
#pragma unroll
      for (int i = 0; i < kMasses; ++i) {
        constexpr int kOf = Config::kSum ? 1 : Config::kMicros;
        mass[r][i] = mean[accumulator(r, i * kOf)];
#pragma unroll
        for (int m = 1; m < kOf; ++m) mass[r][i] = larger(mass[r][i], mean[accumulator(r, i * kOf + m)]);
        top[r] = fmaxf(top[r], mass[r][i]);
      }
    }
    const bool first = chunk == 0 && half == 0;
    if (first || __any_sync(0xffffffffu, fmaxf(top[0], top[1]) > kMoveAbove))
      move_references(mass, top, chunk * 2 + half);

#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float e[kBlocks];
#pragma unroll
      for (int block = 0; block < kBlocks; ++block) {
        constexpr int kOf = kMasses / kBlocks;
        e[block] = exp2_fast(mass[r][block * kOf]);
#pragma unroll
        for (int m = 1; m < kOf; ++m) e[block] += exp2_fast(mass[r][block * kOf + m]);
        sum_[r] += e[block];
      }
      store(shares_ + 8 * r * plan_.share_pitch() + chunk * Config::kChunkBlocks + half * kBlocks, e);
    }
  }

  /// -inf for micro-blocks that do not count for a row, and a shorter one's true log-mass. `first`: this thread's first.
  __device__ void mask(float (&log_mass)[kTile], const float (&variance)[kTile], int first) const {
    const int limit[2] = {limit_[0] - first, limit_[1] - first}, short_micro = short_ - first;
    if (log2_short_ != log2_size_) {
#pragma unroll
      for (int at = 0; at < kEach; ++at)
#pragma unroll
        for (int r = 0; r < 2; ++r) {
          float& mass = log_mass[accumulator(r, at)];
          const float v = variance[accumulator(r, at)];
          if (at == short_micro) mass += spread(v, log2_short_, log2_short_) - spread(v, log2_size_, log2_size_);
        }
    }
#pragma unroll
    for (int at = 0; at < kEach; ++at)
#pragma unroll
      for (int r = 0; r < 2; ++r)
        if (at >= limit[r]) log_mass[accumulator(r, at)] = -INFINITY;
  }

  /// Moves the rows' reference points up to the largest log-mass, and with them what has been summed up and stored of
  /// the `halves` before.
  __device__ void move_references(float (&mass)[2][kMasses], const float (&top)[2], int halves) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const float step = quad_max(top[r]);
      if (step == -INFINITY || (halves > 0 && step <= kMoveAbove)) continue;
      reference_[r] += step;
#pragma unroll
      for (float& x : mass[r]) x -= step;
      const float shrink = exp2_fast(-step);
      sum_[r] *= shrink;
      std::uint16_t* stored = shares_ + 8 * r * plan_.share_pitch();
#pragma unroll 1
      for (int i = 0; i < halves * kBlocks; ++i) {
        std::uint16_t& e = stored[i / (2 * kBlocks) * Config::kChunkBlocks + i % (2 * kBlocks)];
        e = bfloat16(__uint_as_float(static_cast<std::uint32_t>(e) << 16) * shrink).bits;
      }
    }
  }

  /// Neighbouring blocks as bfloat16.
  __device__ static void store(std::uint16_t* to, const float (&e)[kBlocks]) {
    if constexpr (kBlocks == 1) {
      *to = static_cast<std::uint16_t>(pack_pair<bfloat16>(e[0], 0.0f));
    } else {
      std::uint32_t pair[kBlocks / 2];
#pragma unroll
      for (int i = 0; i < kBlocks / 2; ++i) pair[i] = pack_pair<bfloat16>(e[2 * i], e[2 * i + 1]);
      if constexpr (kBlocks == 2) {
        *reinterpret_cast<std::uint32_t*>(to) = pair[0];
      } else if constexpr (kBlocks == 4) {
        *reinterpret_cast<uint2*>(to) = {pair[0], pair[1]};
      } else {
#pragma unroll
        for (int i = 0; i < kBlocks / 2; i += 4)
          reinterpret_cast<uint4*>(to)[i / 4] = {pair[i], pair[i + 1], pair[i + 2], pair[i + 3]};
      }
    }
  }

  const Plan& plan_;
  ScoreShared<Config>& s_;
  int group_, lane_, row_;
  std::uint16_t* shares_;  ///< of this thread's first row and block
  float log2_size_;
  patterns::detail::LogMass2 mass_{plan_.params.scale};
  const TileRange* range_[2] = {};
  std::int32_t short_ = 0, micros_ = 0;  ///< the micro-block that may be shorter; of the sequence
  float log2_short_ = 0.0f;
  std::int32_t limit_[2] = {}, plain_ = 0;  ///< micro-blocks that count for a row; that need no mask
  float reference_[2] = {}, sum_[2] = {};
  RingPlace<Config::kStages> ring_;
  std::uint32_t rows_phase_ = 0;
};

}  // namespace halftone::cuda::selection
