// The 64-key blocks that a query tile attends to, and what counts inside them.
#pragma once

#include <cmath>
#include <cstdint>

#include "halftone/cuda_specialized/common/row_place.cuh"

namespace halftone::cuda {

/// Flags of a block in the kernels, besides BlockKind: how to treat its columns.
enum StepFlag : std::int32_t {
  kStepAbsent = 32,    ///< no block here: nothing counts
  kStepLandmark = 64,  ///< columns are landmarks, with a bias
};

struct KeyBlock {
  std::int32_t first;  ///< its first key (or landmark)
  std::int32_t flags;  ///< BlockKind and StepFlag; 0: every pair counts
  std::int64_t bits;   ///< with kBlockBits: word of the mask's bits for the tile's first query; block_k / 64 further
                       ///< the next query's
};

/// The blocks of a query tile: the mask's in pieces of 64 keys; without a mask, all that the tile can see.
struct KeyBlockList {
  std::int64_t entry;  ///< the row's first in the mask
  std::int32_t count;
};

/// For a tile of `block_m` queries, of which at least one exists.
__device__ inline KeyBlockList key_blocks(const AttentionParams& p, const RowPlace& at, int block_m) {
  if (p.mask.row_ptr) {
    const std::int64_t row = p.mask.row(at.b, at.head, p.heads_q, at.first_query / p.mask.block_q);
    const std::int64_t entry = p.mask.row_ptr[row];
    return {entry, static_cast<std::int32_t>(p.mask.row_ptr[row + 1] - entry) * (p.mask.block_k / 64)};
  }
  const std::int32_t end = min(at.first_query + block_m, at.len_q) + at.diagonal();  // of what the last query sees
  const std::int32_t visible = p.causal ? min(at.len_k, end) : at.len_k;
  return {0, visible <= 0 ? 0 : (visible + 63) / 64};
}

/// The index-th block of the list: which it is, and which rules decide inside it.
__device__ inline KeyBlock key_block(const AttentionParams& p, const RowPlace& at, const KeyBlockList& list,
                                     std::int32_t index) {
  std::int32_t block = index, flags = 0;
  std::int64_t bits = 0;
  if (p.mask.row_ptr) {
    const std::int32_t parts = p.mask.block_k / 64, part = index % parts;
    const std::int64_t entry = list.entry + index / parts;
    block = p.mask.col_idx[entry] * parts + part;
    flags = p.mask.kind[entry] & ~kBlockRagged;
    if (flags & kBlockBits)
      bits = (std::int64_t{p.mask.bits_index[entry]} * p.mask.block_q + at.first_query % p.mask.block_q) * parts + part;
  }
  const std::int32_t last_key = block * 64 + 63;
  if (last_key >= at.len_k) flags |= kBlockRagged;
  if (p.causal) flags = last_key > at.first_query + at.diagonal() ? flags | kBlockCausal : flags & ~kBlockCausal;
  return {block * 64, flags, bits};
}

/// Which columns of a block count for a query: bit j is key block.first + j.
__device__ inline std::uint64_t counted_columns(const AttentionParams& p, const RowPlace& at, const KeyBlock& block,
                                                std::int32_t query) {
  const std::int32_t diagonal = query + at.diagonal() - block.first;  // column on the diagonal
  std::int32_t high = 63;                                             // the last column that counts
  if (block.flags & kBlockRagged) high = min(high, at.len_k - 1 - block.first);
  if (block.flags & kBlockCausal) high = min(high, diagonal);
  if (block.flags & kStepAbsent) high = -1;
  if (block.flags & kBlockWindow) high = min(high, diagonal + static_cast<std::int32_t>(p.mask.window_right));
  std::uint64_t bits = high < 0 ? 0 : ~std::uint64_t{0} >> (63 - high);
  if (block.flags & kBlockWindow) {
    const std::int32_t low = max(diagonal - static_cast<std::int32_t>(p.mask.window_left), 0);
    bits = low > 63 ? 0 : bits >> low << low;
  }
  if (block.flags & kBlockBits) bits &= p.mask.bits[block.bits + (query - at.first_query) * (p.mask.block_k / 64)];
  return bits;
}

/// Applies a block's rules to the 16 accumulators from s[begin] on that a thread holds of each of the rows `query` and
/// query + 8 (layout: softmax.cuh): scores of pairs that do not count become -inf.
template <int kCount>
__device__ inline void hide_scores(float (&s)[kCount], int begin, const AttentionParams& p, const RowPlace& at,
                                   const KeyBlock& block, std::int32_t query) {
  std::uint64_t bits[2];
#pragma unroll
  for (int r = 0; r < 2; ++r) bits[r] = counted_columns(p, at, block, query + 8 * r);
  if (__all_sync(0xffffffffu, (bits[0] & bits[1]) == ~std::uint64_t{0})) return;  // below the diagonal, say
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const std::uint64_t mine = bits[r] >> (threadIdx.x % 4 * 2);
#pragma unroll
    for (int j = 0; j < 8; ++j)
#pragma unroll
      for (int c = 0; c < 2; ++c)
        if (!(mine >> (j * 8 + c) & 1u)) s[begin + j * 4 + r * 2 + c] = -INFINITY;
  }
}

/// Row of the landmarks' biases that a tile's queries have, and the biases, [landmarks.blocks].
__device__ inline std::int32_t landmark_row(const AttentionParams& p, const RowPlace& at) {
  return (at.b * p.heads_q + at.head) * p.landmarks.tiles + at.first_query / p.landmarks.block_q;
}
__device__ inline const float* landmark_bias(const AttentionParams& p, std::int32_t row) {
  return p.landmarks.bias + std::int64_t{row} * p.landmarks.blocks;
}

/// Adds the biases of landmarks `first` .. first + 63 to the (unscaled) scores from s[begin] on, as in hide_scores;
/// columns past the last landmark become -inf.
template <int kCount>
__device__ inline void add_landmark_bias(float (&s)[kCount], int begin, const AttentionParams& p, const float* bias,
                                         std::int32_t first) {
  const float unscale = 1.0f / p.scale;
  const int mine = first + static_cast<int>(threadIdx.x) % 4 * 2;
  const bool pairs = p.landmarks.blocks % 2 == 0 && reinterpret_cast<std::uintptr_t>(p.landmarks.bias) % 8 == 0 &&
                     first + 64 <= p.landmarks.blocks;
#pragma unroll
  for (int j = 0; j < 8; ++j) {
    float2 both;
    if (pairs) {
      both = __ldg(reinterpret_cast<const float2*>(bias + mine + j * 8));
    } else {
      both.x = mine + j * 8 < p.landmarks.blocks ? __ldg(bias + mine + j * 8) : -INFINITY;
      both.y = mine + j * 8 + 1 < p.landmarks.blocks ? __ldg(bias + mine + j * 8 + 1) : -INFINITY;
    }
#pragma unroll
    for (int r = 0; r < 4; r += 2) {
      s[begin + j * 4 + r] = fmaf(both.x, unscale, s[begin + j * 4 + r]);
      s[begin + j * 4 + r + 1] = fmaf(both.y, unscale, s[begin + j * 4 + r + 1]);
    }
  }
}

}  // namespace halftone::cuda
