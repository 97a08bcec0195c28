// Block scores: the product of representatives and micro-block statistics on Hopper's tensor cores, shares of the
// attention mass, and what a tile makes of them.
//
// Persistent thread blocks of a producer thread and two consumer warpgroups. A warpgroup holds 64 representatives of
// one key-value head (u, and u^2 beside it) in shared memory and meets all of the head's statistics, 128 micro-blocks
// at a time: two products, then in registers the log-mass and its exponential relative to a reference point per
// representative. The exponentials' sums over blocks go to a scratch row of their own as bfloat16, since the softmax's
// denominator is not known before the last of them; afterwards the warpgroup reads them back, tile by tile.
#pragma once

#include "halftone/cuda_specialized/common/barrier.cuh"
#include "halftone/cuda_specialized/common/tma.cuh"
#include "halftone/cuda_specialized/selection/elements.cuh"
#include "halftone/cuda_specialized/selection/launch.cuh"
#include "halftone/cuda_specialized/sm90/wgmma.cuh"

namespace halftone::cuda::selection {

template <int kDim_, int kMicros_, bool kSum_>
struct ScoreConfig {
  static constexpr int kDim = kDim_;
  static constexpr int kMicros = kMicros_;  ///< micro-blocks per block
  static constexpr bool kSum = kSum_;       ///< the mass of a block is the sum of theirs, not the largest
  static constexpr int kChunkBlocks = kColumns / kMicros;
  static constexpr int kThreadBlocks = 32 / kMicros;  ///< blocks of a product that one thread holds, per row
  static constexpr int kRowStages = 2;
  static constexpr int kStages = kDim == 64 ? 5 : 3;
  static constexpr int kThreads = 384;
  static constexpr int kProducerRegisters = 40, kConsumerRegisters = 232;
  static constexpr int kGroupBytes = operand_bytes(kRowGroup, kDim);
  static constexpr int kStatisticsBytes = operand_bytes(kColumns, kDim);
};

template <class Config>
struct ScoreShared {
  alignas(1024) std::uint8_t rows[Config::kRowStages][2][Config::kGroupBytes];  ///< of both warpgroups
  alignas(1024) std::uint8_t statistics[Config::kStages][Config::kStatisticsBytes];
  float factor[kItemRows];  ///< from a row's exponentials to shares, times kShareScale
  std::uint32_t bins[kFirstBins];
  Barrier rows_full[Config::kRowStages], rows_empty[Config::kRowStages], full[Config::kStages], empty[Config::kStages];
};

/// Items of a thread block: the longest rows first, back and forth over the thread blocks, so that each gets its share.
struct ItemPlace {
  std::int32_t sequence, group;  ///< (sequence of the batch, key-value head); of kItemRows representatives
  bool exists;

  __device__ ItemPlace(const Plan& plan, int round) {
    const int size = static_cast<int>(gridDim.x), at = static_cast<int>(blockIdx.x);
    const int index = round * size + (round % 2 ? size - 1 - at : at), sequences = plan.items / plan.item_groups;
    exists = index < plan.items;
    sequence = index % sequences;
    group = plan.item_groups - 1 - index / sequences;
  }
};

/// Products that an item needs: up to the last block that any of its representatives sees. A later tile of a sequence
/// sees no fewer blocks.
__device__ inline int chunks_of(const Plan& plan, const ItemPlace& item) {
  const int b = item.sequence / plan.params.heads_kv;
  const int tiles = static_cast<int>((plan.geometry.len_q(b) + kTileQueries - 1) / kTileQueries);
  const int first = RepresentativePlace(plan, item.group * kItemRows).tile;
  if (first >= tiles) return 0;
  const int last = RepresentativePlace(plan, item.group * kItemRows + kItemRows - 1).tile;
  return (plan.geometry.visible_blocks(b, min(last, tiles - 1)) + plan.chunk_blocks - 1) / plan.chunk_blocks;
}

/// Copies `bytes` contiguous bytes to shared memory; counts them on `barrier`.
__device__ inline void load_bulk(void* shared, const void* global, int bytes, Barrier* barrier) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
                   shared_address(shared)),
               "l"(__cvta_generic_to_global(global)), "r"(bytes), "r"(shared_address(&barrier->word))
               : "memory");
}

template <class Config>
__device__ void produce_scores(const Plan& plan, ScoreShared<Config>& s) {
  RingPlace<Config::kRowStages> rows;
  RingPlace<Config::kStages> ring;
  for (int round = 0;; ++round) {
    const ItemPlace item(plan, round);
    if (!item.exists) return;
    const int chunks = chunks_of(plan, item);
    if (chunks == 0) continue;
    s.rows_empty[rows.index].wait(rows.phase ^ 1u);
    s.rows_full[rows.index].arrive_expect(2 * Config::kGroupBytes);
    load_bulk(
        s.rows[rows.index],
        plan.representatives + (std::int64_t{item.sequence} * plan.item_groups + item.group) * 2 * Config::kGroupBytes,
        2 * Config::kGroupBytes, &s.rows_full[rows.index]);
    rows.advance();
    const std::uint8_t* from = plan.statistics + std::int64_t{item.sequence} * plan.chunks * Config::kStatisticsBytes;
    for (int chunk = 0; chunk < chunks; ++chunk, from += Config::kStatisticsBytes) {
      s.empty[ring.index].wait(ring.phase ^ 1u);
      s.full[ring.index].arrive_expect(Config::kStatisticsBytes);
      load_bulk(s.statistics[ring.index], from, Config::kStatisticsBytes, &s.full[ring.index]);
      ring.advance();
    }
  }
}

/// Descriptor of an operand of 16 columns in the 32-byte swizzle (PTX ISA, "matrix descriptor format"): 256 bytes
/// between groups of eight rows. Made uniform over the warp, as Operand is.
__device__ inline std::uint64_t narrow_operand(const void* shared) {
  const std::uint32_t low = __shfl_sync(0xffffffffu, shared_address(shared) >> 4, 0) | 1u << 16;
  return std::uint64_t{256 >> 4 | 3u << 30} << 32 | low;
}

template <class Config>
class ScoreConsumer {
  using Shared = ScoreShared<Config>;
  using RowOperand = Operand<1024, 16>;
  static constexpr int kTile = kColumns / 2;  ///< accumulators per thread of a 64 x kColumns product
  static constexpr int kThreadBlocks = Config::kThreadBlocks, kPairs = kThreadBlocks / 2;
  static constexpr float kSlack = 0x1p60f;       ///< sums may grow so far before their reference point must move
  static constexpr float kMoveAbove = 32.0f;     ///< and then moves, if a log-mass lies so far above it
  static constexpr float kShareScale = 0x1p60f;  ///< keeps squares of small shares above zero

 public:
  __device__ ScoreConsumer(const Plan& plan, Shared& shared, int group)
      : plan_(plan),
        s_(shared),
        group_(group),
        lane_(static_cast<int>(threadIdx.x) % 32),
        row_(static_cast<int>(threadIdx.x) % 128 / 32 * 16 + lane_ / 4) {}

  __device__ void run() {
    if (group_ == 1) named_arrive(turn_barrier(0), 256);  // the first turn is warpgroup 0's
    for (int round = 0;; ++round) {
      const ItemPlace item(plan_, round);
      if (!item.exists) return;
      const int chunks = chunks_of(plan_, item);
      if (chunks == 0) continue;
      estimate(item, chunks);
      const int visible = chunks * Config::kChunkBlocks;
      named_sync(barrier(), 128);  // factors and exponentials of all of the warpgroup's rows are there
      finish(item, visible);
      named_sync(barrier(), 128);  // they may be written again
    }
  }

 private:
  __device__ float log2_size() const { return log2f(static_cast<float>(plan_.options.micro_block)); }
  __device__ int barrier() const { return 1 + group_; }
  /// Ping-pong: the warpgroups take turns at issuing products, so that one's exponentials run under the other's
  /// products.
  __device__ static int turn_barrier(int group) { return 4 + group; }
  __device__ void begin_turn() { named_sync(turn_barrier(group_), 256); }
  __device__ void end_turn() { named_arrive(turn_barrier(1 - group_), 256); }
  __device__ int thread() const { return static_cast<int>(threadIdx.x) % 128; }

  /// The exponentials of all blocks, to the scratch rows; their sums, to the factors.
  __device__ void estimate(const ItemPlace& item, int chunks) {
    const int first_row = item.group * kItemRows + group_ * kRowGroup;
    b_ = item.sequence / plan_.params.heads_kv;
    const int len_k = static_cast<int>(plan_.geometry.len_k(b_)), size = plan_.options.micro_block;
    ranges_ = plan_.ranges + b_ * plan_.tiles;
    int visible[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const RepresentativePlace place(plan_, first_row + row_ + 8 * r);
      visible[r] = place.tile < plan_.tiles ? ranges_[place.tile].visible : 0;
      limit_[r] = min(visible[r] * Config::kMicros, (len_k + size - 1) / size);
      reference_[r] = 0.0f;
      sum_[r] = 0.0f;
    }
    // Blocks whose micro-blocks are all full and visible to all rows of the warp.
    const int least = __reduce_min_sync(0xffffffffu, min(visible[0], visible[1]));
    plain_ = min(least, len_k / plan_.options.block_k);
    short_ = len_k / size;
    log2_short_ = len_k % size > 0 ? log2f(static_cast<float>(len_k % size)) : log2_size_;

    s_.rows_full[rows_.index].wait(rows_.phase);
    const std::uint8_t* rows = s_.rows[rows_.index][group_];
    const RowOperand queries(rows);
    const std::uint64_t squares = narrow_operand(rows + wide_bytes(kRowGroup, Config::kDim));
    float mean[kTile], variance[kTile];
    for (int chunk = 0; chunk < chunks; ++chunk) {
      s_.full[ring_.index].wait(ring_.phase);
      begin_turn();
      issue_products(mean, variance, queries, squares);
      end_turn();
      wgmma_wait<0>();
      pin(mean);
      pin(variance);
      release(s_.empty[ring_.index]);
      ring_.advance();
      weigh(mean, variance, chunk);
    }
    release(s_.rows_empty[rows_.index]);
    rows_.advance();
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const float total = quad_sum(sum_[r]);
      if (lane_ % 4 == 0) s_.factor[group_ * kRowGroup + row_ + 8 * r] = total == 0.0f ? 0.0f : kShareScale / total;
    }
  }

  __device__ void issue_products(float (&mean)[kTile], float (&variance)[kTile], const RowOperand& queries,
                                 std::uint64_t squares) {
    const std::uint8_t* statistics = s_.statistics[ring_.index];
    const RowOperand means(statistics);
    const std::uint64_t variances = narrow_operand(statistics + wide_bytes(kColumns, Config::kDim));
    pin(mean);
    pin(variance);
    wgmma_fence();
#pragma unroll
    for (int step = 0; step < Config::kDim / 16; ++step)
      wgmma_shared<bfloat16>(mean, queries.at(row_step<kRowGroup>(step)), means.at(row_step<kColumns>(step)), step > 0);
    wgmma_shared<bfloat16>(variance, squares, variances, 0);
    wgmma_commit();
  }
  /// Bytes to 16 columns of an operand of kRows rows: 16 elements are 32 bytes of a 128-byte row.
  template <int kRows>
  __device__ static constexpr int row_step(int step) {
    return step / 4 * kRows * 128 + step % 4 * 32;
  }

  /// Where this thread's exponentials of its row r lie, from the first product on.
  __device__ std::uint16_t* stored_row(int r) const {
    const std::int64_t row = std::int64_t{blockIdx.x} * kItemRows + group_ * kRowGroup + row_ + 8 * r;
    return plan_.shares + row * plan_.share_pitch() + lane_ % 4 * kThreadBlocks;
  }

  __device__ void release(Barrier& barrier) {
    __syncwarp();
    if (lane_ == 0) barrier.arrive();
  }

  /// Accumulator of this thread's row r, its block `block` of the product, micro-block m (statistics_row).
  __device__ static constexpr int accumulator(int r, int block, int m) {
    const int at = block * Config::kMicros + m;
    return at / 2 * 4 + r * 2 + at % 2;
  }

  /// The exponentials of one row's blocks relative to its reference point, as pairs of bfloat16; returns their sum.
  template <class Mass>
  __device__ static float exponentiate(const Mass& mass, std::uint32_t (&pairs)[kPairs]) {
    float total = 0.0f;
#pragma unroll
    for (int pair = 0; pair < kPairs; ++pair) {
      float e[2];
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        float x = mass(2 * pair + i, 0);
        e[i] = Config::kSum ? exp2_fast(x) : 0.0f;
#pragma unroll
        for (int m = 1; m < Config::kMicros; ++m) {
          if constexpr (Config::kSum)
            e[i] += exp2_fast(mass(2 * pair + i, m));
          else
            x = larger(x, mass(2 * pair + i, m));
        }
        if constexpr (!Config::kSum) e[i] = exp2_fast(x);
      }
      total += e[0] + e[1];
      pairs[pair] = pack_pair<bfloat16>(e[0], e[1]);
    }
    return total;
  }

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
    std::uint32_t pairs[2][kPairs];
    float sum[2];
    if (chunk > 0 && (chunk + 1) * Config::kChunkBlocks <= plain_) {
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        // kappa and the constants of L - reference in one: the smaller of two lines.
        const float first = log2_size_ - reference_[r], second = first + log2_size_;
        sum[r] = exponentiate(
            [&](int block, int m) {
              const int i = accumulator(r, block, m);
              return fmaf(mass_.logit, mean[i],
                          smaller(fmaf(mass_.half_variance, variance[i], first),
                                  fmaf(0.5f * mass_.half_variance, variance[i], second)));
            },
            pairs[r]);
      }
      if (__all_sync(0xffffffffu, sum_[0] + sum[0] < kSlack && sum_[1] + sum[1] < kSlack))
        return keep(pairs, sum, chunk);
    }
    to_log_masses(mean, variance, (chunk * Config::kChunkBlocks + lane_ % 4 * kThreadBlocks) * Config::kMicros);
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      move_reference(mean, r, chunk);
      sum[r] = exponentiate([&](int block, int m) { return mean[accumulator(r, block, m)] - reference_[r]; }, pairs[r]);
    }
    keep(pairs, sum, chunk);
  }

  __device__ void keep(const std::uint32_t (&pairs)[2][kPairs], const float (&sum)[2], int chunk) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      sum_[r] += sum[r];
      std::uint16_t* to = stored_row(r) + chunk * Config::kChunkBlocks;
      if constexpr (kPairs == 1) {
        *reinterpret_cast<std::uint32_t*>(to) = pairs[r][0];
      } else if constexpr (kPairs == 2) {
        *reinterpret_cast<uint2*>(to) = {pairs[r][0], pairs[r][1]};
      } else {
#pragma unroll
        for (int i = 0; i < kPairs; i += 4)
          reinterpret_cast<uint4*>(to)[i / 4] = {pairs[r][i], pairs[r][i + 1], pairs[r][i + 2], pairs[r][i + 3]};
      }
    }
  }

  /// `mean` becomes the log-mass in powers of two, of short micro-blocks, too; -inf where nothing counts. `first`: this
  /// thread's first micro-block.
  __device__ void to_log_masses(float (&mean)[kTile], const float (&variance)[kTile], int first) const {
    const int limits[2] = {limit_[0] - first, limit_[1] - first}, short_micro = short_ - first;
#pragma unroll
    for (int at = 0; at < kThreadBlocks * Config::kMicros; ++at) {
      const float log_count = at == short_micro ? log2_short_ : log2_size_;
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const int i = accumulator(r, 0, at);
        const float half_variance = mass_.half_variance * variance[i];
        const float mass =
            fmaf(mass_.logit, mean[i], log_count) + smaller(half_variance, fmaf(0.5f, half_variance, log_count));
        mean[i] = at < limits[r] ? mass : -INFINITY;
      }
    }
  }

  /// Moves row r's reference point up to its largest log-mass, and what was summed up and stored with it.
  __device__ void move_reference(const float (&log_mass)[kTile], int r, int chunk) {
    float top = -INFINITY;
#pragma unroll
    for (int block = 0; block < kThreadBlocks; ++block)
#pragma unroll
      for (int m = 0; m < Config::kMicros; ++m) top = fmaxf(top, log_mass[accumulator(r, block, m)]);
    top = quad_max(top);
    const float old = reference_[r];
    if (top == -INFINITY || (chunk > 0 && top - old <= kMoveAbove)) return;
    reference_[r] = top;
    const float shrink = exp2_fast(old - top);
    sum_[r] *= shrink;
    std::uint16_t* stored = stored_row(r);
#pragma unroll 1
    for (int c = 0; c < chunk; ++c)
#pragma unroll 1
      for (int block = 0; block < kThreadBlocks; ++block) {
        std::uint16_t& e = stored[c * Config::kChunkBlocks + block];
        e = bfloat16(__uint_as_float(static_cast<std::uint32_t>(e) << 16) * shrink).bits;
      }
  }

  /// Scores of the warpgroup's tiles, whose rows see at most `visible` blocks, from the scratch rows: eight blocks of a
  /// tile and head per thread.
  __device__ void finish(const ItemPlace& item, int visible) {
    const int per_tile = plan_.representatives_per_tile(), octets = visible / 8, run = kTileQueries / per_tile;
    for (int i = thread(); i < kRowGroup / per_tile * octets; i += 128) {
      const int unit = i / octets, block = i % octets * 8, local = group_ * kRowGroup + unit * per_tile;
      const RepresentativePlace place(plan_, item.group * kItemRows + local);
      if (place.tile >= plan_.tiles) return;
      const TileRange range = ranges_[place.tile];
      if (block >= range.visible) continue;
      const std::uint16_t* shares =
          plan_.shares + (std::int64_t{blockIdx.x} * kItemRows + local) * plan_.share_pitch() + block;
      const float* factor = s_.factor + local;
      const int runs = (range.queries + run - 1) / run;
      float score[8];
      switch (plan_.options.aggregation) {
        case patterns::Aggregation::rms: aggregate<patterns::Aggregation::rms>(shares, factor, runs, score); break;
        case patterns::Aggregation::max: aggregate<patterns::Aggregation::max>(shares, factor, runs, score); break;
        case patterns::Aggregation::mean: aggregate<patterns::Aggregation::mean>(shares, factor, runs, score); break;
      }
      const int head = item.sequence % plan_.params.heads_kv * plan_.group + place.head;
      const float weight = plan_.options.head_weight ? __ldg(plan_.options.head_weight + head) : 1.0f;
      const std::int64_t row = (std::int64_t{b_} * plan_.geometry.heads + head) * plan_.tiles + place.tile;
      store_priorities(plan_.priorities + row * plan_.blocks, block, range, score, weight);
    }
  }

  /// Over the shares of `runs` representatives in eight neighbouring blocks.
  template <patterns::Aggregation kHow>
  __device__ void aggregate(const std::uint16_t* shares, const float* factor, int runs, float (&score)[8]) const {
    const std::int64_t pitch = plan_.share_pitch();
#pragma unroll
    for (float& total : score) total = 0.0f;
#pragma unroll 8
    for (int r = 0; r < runs; ++r) {
      float e[8];
      unpack<bfloat16>(*reinterpret_cast<const uint4*>(shares + r * pitch), e);
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const float share = e[i] * factor[r];
        if constexpr (kHow == patterns::Aggregation::rms)
          score[i] = fmaf(share, share, score[i]);
        else if constexpr (kHow == patterns::Aggregation::mean)
          score[i] += share;
        else
          score[i] = share > score[i] || share != share ? share : score[i];  // NaN stays
      }
    }
    const float per_run = 1.0f / static_cast<float>(runs);
#pragma unroll
    for (float& total : score) {
      if constexpr (kHow == patterns::Aggregation::rms)
        total = square_root(total * per_run);
      else if constexpr (kHow == patterns::Aggregation::mean)
        total *= per_run;
      total *= 1.0f / kShareScale;
    }
  }

  __device__ static float square_root(float x) {
    float y;
    asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
  }

  /// Eight priorities of a row, and their count by the first digit.
  __device__ void store_priorities(float* row, int first, const TileRange& range, const float (&score)[8],
                                   float weight) {
    float priority[8];
    unsigned not_finite = 0;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const bool visible = first + i < range.visible;
      if (visible && !(score[i] < INFINITY)) ++not_finite;
      priority[i] = range.forced(first + i) ? INFINITY : score[i] * weight;
      if (plan_.has_budget() && visible && priority[i] < INFINITY)
        atomicAdd(&s_.bins[__float_as_uint(priority[i]) >> kSecondBits], 1u);
    }
    if (not_finite > 0) atomicAdd(&plan_.control->outcome.not_finite, not_finite);
#pragma unroll
    for (int i = 0; i < 8; i += 4) {
      if (plan_.blocks % 4 == 0 && first + i < range.visible) {
        *reinterpret_cast<float4*>(row + first + i) = {priority[i], priority[i + 1], priority[i + 2], priority[i + 3]};
      } else {
#pragma unroll
        for (int j = i; j < i + 4; ++j)
          if (first + j < range.visible) row[first + j] = priority[j];
      }
    }
  }

  const Plan& plan_;
  Shared& s_;
  int group_, lane_, row_;
  patterns::detail::LogMass2 mass_{plan_.params.scale};
  float log2_size_{log2_size()};
  std::int32_t b_ = 0;
  std::int32_t plain_ = 0;                  ///< blocks that need no second look
  std::int32_t limit_[2] = {}, short_ = 0;  ///< micro-blocks that count for a row; the one that may be short
  float log2_short_ = 0.0f;
  float reference_[2] = {}, sum_[2] = {};
  const TileRange* ranges_ = nullptr;
  RingPlace<Config::kRowStages> rows_;
  RingPlace<Config::kStages> ring_;
};

template <class Config>
__global__ void __launch_bounds__(Config::kThreads, 1) scores_kernel(const __grid_constant__ Plan plan) {
  extern __shared__ __align__(1024) std::uint8_t raw[];  // the 128-byte swizzle repeats every 1,024 bytes
  auto& s = *reinterpret_cast<ScoreShared<Config>*>(raw);
  launch_dependents();
  if (threadIdx.x == 0) {
    for (Barrier& barrier : s.rows_full) barrier.init(1);
    for (Barrier& barrier : s.rows_empty) barrier.init(8);  // consumer warps
    for (Barrier& barrier : s.full) barrier.init(1);
    for (Barrier& barrier : s.empty) barrier.init(8);
    fence_barrier_init();
  }
  for (int i = static_cast<int>(threadIdx.x); i < kFirstBins; i += Config::kThreads) s.bins[i] = 0;
  __syncthreads();
  wait_for_previous_kernel();
  if (threadIdx.x < 128) {
    give_registers<Config::kProducerRegisters>();
    if (threadIdx.x == 0) produce_scores<Config>(plan, s);
  } else {
    take_registers<Config::kConsumerRegisters>();
    ScoreConsumer<Config>(plan, s, static_cast<int>(threadIdx.x) / 128 - 1).run();
    named_sync(3, 256);
    if (plan.has_budget())
      for (int i = static_cast<int>(threadIdx.x) - 128; i < kFirstBins; i += 256)
        if (const std::uint32_t count = s.bins[i]) atomicAdd(plan.first_bins + i, count);
  }
}

template <class Config>
void launch_scores_as(const Plan& plan, cudaStream_t stream) {
  constexpr int kBytes = static_cast<int>(sizeof(ScoreShared<Config>));
  const auto kernel = scores_kernel<Config>;
  HALFTONE_CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes));
  launch_after(kernel, plan, plan.score_blocks, Config::kThreads, kBytes, stream);
}

template <int kDim, bool kSum>
void launch_scores_of(const Plan& plan, cudaStream_t stream) {
  switch (plan.micros) {
    case 1: return launch_scores_as<ScoreConfig<kDim, 1, kSum>>(plan, stream);
    case 2: return launch_scores_as<ScoreConfig<kDim, 2, kSum>>(plan, stream);
    case 4: return launch_scores_as<ScoreConfig<kDim, 4, kSum>>(plan, stream);
    case 8: return launch_scores_as<ScoreConfig<kDim, 8, kSum>>(plan, stream);
    default: return launch_scores_as<ScoreConfig<kDim, 16, kSum>>(plan, stream);
  }
}

}  // namespace halftone::cuda::selection
