// A warpgroup's 64 representatives against one half of every copied 128 statistics of their key-value head: products,
// log-masses, and the blocks' exponentials.
//
// Exponentials are relative to a reference point per row, which moves up when a log-mass lies far above it; the
// softmax's denominator is known after the last of them, from both halves.
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
  static constexpr int kHalf = kColumns / 2;                      ///< micro-blocks of a product
  static constexpr int kTile = kHalf / 2;                         ///< accumulators per thread of a 64 x kHalf product
  static constexpr int kEach = kTile / 2;                         ///< micro-blocks that a thread holds of a row
  static constexpr int kBlocks = kEach / Config::kMicros;         ///< blocks
  static constexpr int kMasses = Config::kSum ? kEach : kBlocks;  ///< log-masses that matter
  static constexpr float kMoveAbove = 32.0f;  ///< the reference point moves if a log-mass lies so far above it

 public:
  /// `shares`: of the item's first row.
  __device__ ScoreEstimate(const Plan& plan, ScoreShared<Config>& shared, std::uint16_t* shares)
      : plan_(plan), s_(shared), shares_(shares) {}

  /// The first of the two rows that a thread holds; the other is eight further.
  __device__ static int row(int thread = static_cast<int>(threadIdx.x)) {
    return thread / kGroupThreads * kRowGroup + thread % 128 / 32 * 16 + thread % 32 / 4;
  }

  /// What its rows see.
  __device__ void place(const SequenceTiles& sequence, const ItemReach& reach) {
    len_k_ = sequence.len_k;
    chunks_ = row_group() == 0 ? reach.chunks[0] : reach.chunks[1];
    const int micros = (len_k_ + (1 << plan_.log2_micro_block) - 1) >> plan_.log2_micro_block;
#pragma unroll
    for (int r = 0; r < 2; ++r) limit_[r] = min(micros, reach.micros[r]);
    plain_ = __reduce_min_sync(0xffffffffu, min(len_k_ >> plan_.log2_micro_block, min(limit_[0], limit_[1])));
  }

  /// The exponentials of the blocks of the rows' copies, to the shares, and their sums.
  __device__ void run() {
    reference_[0] = reference_[1] = sum_[0] = sum_[1] = 0.0f;
    const std::uint8_t* rows = s_.rows[row_group()];
    const Operand<1024, 16> queries(rows);
    const std::uint64_t squares = narrow_operand(rows + wide_bytes(kRowGroup, Config::kDim));
    float mean[kTile], variance[kTile];
#pragma unroll 1
    for (int chunk = 0; chunk < chunks_; ++chunk) {
      s_.full[ring_.index].wait(ring_.phase);
      issue(mean, variance, queries, squares);
      wgmma_wait<0>();
      pin(mean);
      pin(variance);
      release_copy();
      weigh(mean, variance, chunk);
    }
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const float total = quad_sum(sum_[r]);
      if (lane() % 4 == 0) s_.sums[column_half()][row() + 8 * r] = {reference_[r], total};
    }
  }

  /// From the sums of both halves to what makes shares of exponentials.
  __device__ void make_factors() {
    const int row = static_cast<int>(threadIdx.x % kGroupThreads);
    if (row >= kRowGroup) return;
    RowSum &a = s_.sums[0][row_group() * kRowGroup + row], &b = s_.sums[1][row_group() * kRowGroup + row];
    const float top = fmaxf(a.sum != 0.0f ? a.reference : -INFINITY, b.sum != 0.0f ? b.reference : -INFINITY);
    const float of_a = a.sum != 0.0f ? exp2_fast(a.reference - top) : 0.0f;
    const float of_b = b.sum != 0.0f ? exp2_fast(b.reference - top) : 0.0f;
    const float total = fmaf(a.sum, of_a, b.sum * of_b);
    const float scale = total == 0.0f ? 0.0f : __fdividef(kShareScale, total);
    a.reference = of_a * scale;
    b.reference = of_b * scale;
  }

  /// Blocks that the group's rows see at most, in whole copies.
  __device__ int blocks() const { return chunks_ * Config::kChunkBlocks; }

 private:
  __device__ static int lane() { return static_cast<int>(threadIdx.x % 32); }

  __device__ void release_copy() {
    __syncwarp();
    if (lane() == 0) s_.empty[ring_.index].arrive();
    ring_.advance();
  }

  __device__ void issue(float (&mean)[kTile], float (&variance)[kTile], const Operand<1024, 16>& queries,
                        std::uint64_t squares) {
    const std::uint8_t* statistics = s_.statistics[ring_.index];
    const Operand<1024, 16> means(statistics + column_half() * kHalf * 128);
    const std::uint64_t variances =
        narrow_operand(statistics + wide_bytes(kColumns, Config::kDim) + column_half() * kHalf * 32);
    pin(mean);
    pin(variance);
    wgmma_fence();
#pragma unroll
    for (int step = 0; step < Config::kDim / 16; ++step)
      wgmma_shared<bfloat16>(mean, queries.at(step / 4 * kRowGroup * 128 + step % 4 * 32),
                             means.at(step / 4 * kColumns * 128 + step % 4 * 32), step > 0);
    wgmma_shared<bfloat16>(variance, squares, variances, 0);
    wgmma_commit();
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

  /// One product's part of the softmax.
  __device__ void weigh(float (&mean)[kTile], const float (&variance)[kTile], int chunk) {
    const LogMassTerms& terms = plan_.log_mass;
#pragma unroll
    for (int i = 0; i < kTile; ++i)
      mean[i] = fmaf(terms.spread, variance[i] + smaller(variance[i], terms.cap), mean[i]);
    if ((chunk + 1) * kColumns > plain_)
      mask(mean, variance, chunk * kColumns + column_half() * kHalf + lane() % 4 * kEach);

    float mass[2][kMasses], top[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      top[r] = -INFINITY;
#pragma unroll
      for (int i = 0; i < kMasses; ++i) {
        constexpr int kOf = kEach / kMasses;
        float y = mean[accumulator(r, i * kOf)];
#pragma unroll
        for (int m = 1; m < kOf; ++m) y = larger(y, mean[accumulator(r, i * kOf + m)]);
        mass[r][i] = fmaf(terms.logit, y, terms.log2_size - reference_[r]);
        top[r] = fmaxf(top[r], mass[r][i]);
      }
    }
    if (chunk == 0 || __any_sync(0xffffffffu, fmaxf(top[0], top[1]) > kMoveAbove)) move_references(mass, top, chunk);

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
      store(r, chunk, e);
    }
  }

  /// -inf for micro-blocks that do not count for a row, and a shorter one's true log-mass. `first`: this thread's
  /// first.
  __device__ void mask(float (&y)[kTile], const float (&variance)[kTile], int first) const {
    const LogMassTerms& terms = plan_.log_mass;
    if (const int rest = len_k_ % (1 << plan_.log2_micro_block); rest > 0) {
      const int short_micro = (len_k_ >> plan_.log2_micro_block) - first;
      const float log2_rest = log2f(static_cast<float>(rest)), cap = log2_rest / (terms.logit * terms.spread);
      const float fewer = (log2_rest - terms.log2_size) / terms.logit;
#pragma unroll
      for (int at = 0; at < kEach; ++at)
#pragma unroll
        for (int r = 0; r < 2; ++r) {
          const float v = variance[accumulator(r, at)];
          if (at == short_micro)
            y[accumulator(r, at)] += fmaf(terms.spread, smaller(v, cap) - smaller(v, terms.cap), fewer);
        }
    }
#pragma unroll
    for (int at = 0; at < kEach; ++at)
#pragma unroll
      for (int r = 0; r < 2; ++r)
        if (at >= limit_[r] - first) y[accumulator(r, at)] = -INFINITY;
  }

  /// Where the exponential of this thread's row r and its block `block` of a chunk lies.
  __device__ std::uint16_t* stored(int r, int chunk, int block) const {
    const int first = chunk * Config::kChunkBlocks + (column_half() * 4 + lane() % 4) * kBlocks;
    return shares_ + share_place(plan_.share_pitch, row() + 8 * r, first + block);
  }

  /// Moves the rows' reference points up to the largest log-mass, and with them what has been summed up and stored of
  /// the chunks before.
  __device__ void move_references(float (&mass)[2][kMasses], const float (&top)[2], int chunks) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const float step = quad_max(top[r]);
      if (step == -INFINITY || (chunks > 0 && step <= kMoveAbove)) continue;
      reference_[r] += step;
#pragma unroll
      for (float& x : mass[r]) x -= step;
      const float shrink = exp2_fast(-step);
      sum_[r] *= shrink;
#pragma unroll 1
      for (int chunk = 0; chunk < chunks; ++chunk)
#pragma unroll 1
        for (int block = 0; block < kBlocks; ++block) {
          std::uint16_t& e = *stored(r, chunk, block);
          e = bfloat16(__uint_as_float(static_cast<std::uint32_t>(e) << 16) * shrink).bits;
        }
    }
  }

  /// Neighbouring blocks as bfloat16; share_place keeps eight together, no more.
  __device__ void store(int r, int chunk, const float (&e)[kBlocks]) const {
    if constexpr (kBlocks == 1) {
      *stored(r, chunk, 0) = static_cast<std::uint16_t>(pack_pair<bfloat16>(e[0], 0.0f));
    } else if constexpr (kBlocks == 2) {
      *reinterpret_cast<std::uint32_t*>(stored(r, chunk, 0)) = pack_pair<bfloat16>(e[0], e[1]);
    } else if constexpr (kBlocks == 4) {
      *reinterpret_cast<uint2*>(stored(r, chunk, 0)) = {pack_pair<bfloat16>(e[0], e[1]),
                                                        pack_pair<bfloat16>(e[2], e[3])};
    } else {
#pragma unroll
      for (int i = 0; i < kBlocks; i += 8) {
        const float eight[8] = {e[i], e[i + 1], e[i + 2], e[i + 3], e[i + 4], e[i + 5], e[i + 6], e[i + 7]};
        *reinterpret_cast<uint4*>(stored(r, chunk, i)) = pack<bfloat16>(eight);
      }
    }
  }

  const Plan& plan_;
  ScoreShared<Config>& s_;
  std::uint16_t* shares_;
  std::int32_t len_k_ = 0, chunks_ = 0;
  std::int32_t limit_[2] = {}, plain_ = 0;  ///< micro-blocks that count for a row; that need no mask
  float reference_[2] = {}, sum_[2] = {};
  RingPlace<Config::kStages> ring_;
};

}  // namespace halftone::cuda::selection
