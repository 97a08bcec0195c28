// The producer warp of the Hopper forward kernel: hands out query tiles, walks their block lists, loads Q, K and V.
#pragma once

#include "halftone/cuda_specialized/common/tma.cuh"
#include "halftone/cuda_specialized/sm90/forward_args.hpp"
#include "halftone/cuda_specialized/sm90/forward_shared.cuh"

namespace halftone::cuda::sm90 {

/// Which sequence, head and queries a row of the grid is.
struct RowPlace {
  std::int32_t b, head, head_kv, tile;
  SequenceExtent extent;

  __device__ RowPlace(const ForwardArgs& args, std::int32_t row) {
    const AttentionParams& p = args.params;
    tile = row % args.tiles;
    head = row / args.tiles % p.heads_q;
    b = row / args.tiles / p.heads_q;
    head_kv = head / (p.heads_q / p.heads_kv);
    extent = sequence_extent(p, b);
  }
  __device__ std::int64_t diagonal() const { return extent.len_k - extent.len_q; }
};

template <class Config, bool kLandmarks>
class Producer {
  using Shared = SharedStorage<Config>;
  static constexpr int kHalves = Config::kHalves;

 public:
  __device__ Producer(const ForwardArgs& args, Shared& shared)
      : args_(args), p_(args.params), s_(shared), lane_(static_cast<int>(threadIdx.x) % 32) {}

  __device__ void run() {
    for (std::int32_t next = static_cast<std::int32_t>(blockIdx.x); next < args_.rows;) {
      load_row(row_of(next));
      if (lane_ == 0) next = atomicAdd(args_.next_row, 1) + static_cast<std::int32_t>(gridDim.x);
      next = __shfl_sync(0xffffffffu, next, 0);
    }
    publish({-1, 0});
  }

 private:
  /// Longest rows first: the given order, or (without a mask) the last query tiles first where rows grow with the tile,
  /// otherwise head by head so that its keys stay in the cache.
  __device__ std::int32_t row_of(std::int32_t next) const {
    if (args_.order) return args_.order[next];
    if (!p_.causal) return next;
    const std::int32_t heads = p_.batch * p_.heads_q;
    return next % heads * args_.tiles + (args_.tiles - 1 - next / heads);
  }

  __device__ void publish(Work work) {
    s_.work_empty[work_.index].wait(work_.phase ^ 1u);
    if (lane_ == 0) {
      s_.work[work_.index] = work;
      s_.work_full[work_.index].arrive();
    }
    __syncwarp();
    work_.advance();
  }

  __device__ void load_row(std::int32_t row) {
    const RowPlace at(args_, row);
    const std::int64_t first = std::int64_t{at.tile} * Config::kBlockM;
    const std::int64_t rest = at.extent.len_q - first;
    if (rest <= 0) return publish({row, 0});
    const std::int64_t last = first + (rest < Config::kBlockM ? rest : Config::kBlockM) - 1;
    std::int64_t visible = at.extent.len_k;
    if (p_.causal && last + at.diagonal() + 1 < visible) visible = last + at.diagonal() + 1;
    const std::int32_t visible_blocks = visible <= 0 ? 0 : static_cast<std::int32_t>((visible + 63) / 64);

    std::int64_t entry = 0;
    std::int32_t count = visible_blocks;  // of 64 keys
    if (p_.mask.row_ptr) {
      const std::int64_t mask_row = p_.mask.row(at.b, at.head, p_.heads_q, at.tile);
      entry = p_.mask.row_ptr[mask_row];
      count = static_cast<std::int32_t>(p_.mask.row_ptr[mask_row + 1] - entry) * (p_.mask.block_k / 64);
    }
    const std::int32_t key_steps = (count + kHalves - 1) / kHalves;
    std::int32_t landmark_steps = 0;
    if constexpr (kLandmarks) landmark_steps = (p_.landmarks.blocks + Config::kBlockN - 1) / Config::kBlockN;
    publish({row, key_steps + landmark_steps});
    if (key_steps + landmark_steps == 0) return;
    load_queries(at, static_cast<std::int32_t>(first));
    load_keys(at, first, entry, count);
    if constexpr (kLandmarks)
      for (std::int32_t step = 0; step < landmark_steps; ++step) load_landmarks(at, step * Config::kBlockN);
    flush();
  }

  __device__ void load_queries(const RowPlace& at, std::int32_t first) {
    Barrier& full = s_.q_full[q_.index];
    s_.q_empty[q_.index].wait(q_.phase ^ 1u);
    if (lane_ == 0) {
      full.arrive_expect(Config::kQueryBytes);
      for (int c = 0; c < Config::kChunks; ++c)
        load_box(s_.q[q_.index] + c * Config::kBlockM * 128, &args_.q, &full, c * 64,
                 static_cast<std::int32_t>(at.extent.begin_q) + first, at.head, p_.packed() ? 0 : at.b);
    }
    __syncwarp();
    q_.advance();
  }

  /// The row's 64-key blocks from the last to the first, kHalves per step; an incomplete step comes first, where the
  /// diagonal takes the masked path anyway.
  __device__ void load_keys(const RowPlace& at, std::int64_t first, std::int64_t entry, std::int32_t count) {
    const std::int32_t parts = p_.mask.row_ptr ? p_.mask.block_k / 64 : 1;
    std::int32_t chunk_end = count, chunk_begin = count, block = 0, flags = 0, bits = 0;
    for (std::int32_t end = count; end > 0;) {
      const std::int32_t width = end % kHalves ? end % kHalves : kHalves;
      if (end - width < chunk_begin) {  // each lane looks up one of the next 32 blocks
        chunk_end = end;
        chunk_begin = end > 32 ? end - 32 : 0;
        const std::int32_t mine = chunk_end - 1 - lane_;
        if (mine >= chunk_begin) look_up(at, first, entry, mine, parts, block, flags, bits);
      }
      Step step;
#pragma unroll
      for (int half = 0; half < kHalves; ++half) {
        const int source = chunk_end - 1 - (end - 1 - (half < width ? half : 0));
        step.first[half] = __shfl_sync(0xffffffffu, block, source) * 64;
        step.flags[half] = __shfl_sync(0xffffffffu, flags, source);
        step.bits[half] = __shfl_sync(0xffffffffu, bits, source);
        if (half >= width) step.flags[half] = kStepAbsent;
      }
      push(step, &args_.k, &args_.v, static_cast<std::int32_t>(at.extent.begin_k), at.head_kv, p_.packed() ? 0 : at.b);
      end -= width;
    }
  }

  /// The index-th 64-key block of the row: which it is, and which rules decide inside it.
  __device__ void look_up(const RowPlace& at, std::int64_t first, std::int64_t entry, std::int32_t index,
                          std::int32_t parts, std::int32_t& block, std::int32_t& flags, std::int32_t& bits) const {
    block = index;
    flags = 0;
    bits = 0;
    if (p_.mask.row_ptr) {
      const std::int64_t e = entry + index / parts;
      block = p_.mask.col_idx[e] * parts + index % parts;
      flags = p_.mask.kind[e] & ~kBlockRagged;
      if (flags & kBlockBits) bits = p_.mask.bits_index[e] * parts + index % parts;
    }
    const std::int64_t last_key = std::int64_t{block} * 64 + 63;
    if (last_key >= at.extent.len_k) flags |= kBlockRagged;
    if (p_.causal) flags = last_key > first + at.diagonal() ? flags | kBlockCausal : flags & ~kBlockCausal;
  }

  __device__ void load_landmarks(const RowPlace& at, std::int32_t first) {
    Step step;
#pragma unroll
    for (int half = 0; half < kHalves; ++half) {
      step.first[half] = first + 64 * half;
      step.flags[half] = kStepLandmark;
      step.bits[half] = 0;
    }
    push(step, &args_.landmark_key, &args_.landmark_value, 0, at.head_kv, at.b);
  }

  /// Issues the K tile of this step, and the V tile of the one before: consumers need them in that order.
  __device__ void push(const Step& step, const CUtensorMap* k, const CUtensorMap* v, std::int32_t begin,
                       std::int32_t head, std::int32_t b) {
    s_.k_empty[k_.index].wait(k_.phase ^ 1u);
    if (lane_ == 0) {
      s_.step[k_.index] = step;
      load_tile(s_.k[k_.index], k, &s_.k_full[k_.index], step, begin, head, b);
    }
    __syncwarp();
    k_.advance();
    flush();
    held_ = {step, v, begin, head, b, true};
  }

  __device__ void flush() {
    if (!held_.any) return;
    s_.v_empty[v_.index].wait(v_.phase ^ 1u);
    if (lane_ == 0)
      load_tile(s_.v[v_.index], held_.map, &s_.v_full[v_.index], held_.step, held_.begin, held_.head, held_.b);
    __syncwarp();
    v_.advance();
    held_.any = false;
  }

  __device__ void load_tile(std::uint8_t* tile, const CUtensorMap* map, Barrier* full, const Step& step,
                            std::int32_t begin, std::int32_t head, std::int32_t b) {
    full->arrive_expect(Config::kTileBytes);
#pragma unroll
    for (int c = 0; c < Config::kChunks; ++c)
#pragma unroll
      for (int half = 0; half < kHalves; ++half)
        load_box(tile + c * Config::kBlockN * 128 + half * 64 * 128, map, full, c * 64, begin + step.first[half], head, b);
  }

  struct Held {
    Step step;
    const CUtensorMap* map;
    std::int32_t begin, head, b;
    bool any;
  };

  const ForwardArgs& args_;
  const AttentionParams& p_;
  Shared& s_;
  int lane_;
  Held held_{};
  RingPlace<Config::kQueryStages> q_;
  RingPlace<Config::kStages> k_, v_;
  RingPlace<2> work_;
};

}  // namespace halftone::cuda::sm90
