// From scores to block lists: the forced near field, the tolerance, the mask.
#pragma once

#include <cstdint>
#include <span>

#include "halftone/core/block_mask.hpp"

namespace halftone::patterns::detail {

/// Visible blocks that are always exact: leading ones, those that overlap the tile's own positions, and their neighbours
/// (on both sides where the future is visible).
struct NearField {
  MaskGeometry geometry;
  std::int32_t sink_blocks, local_blocks;

  HALFTONE_FUNCTION bool forced(std::int64_t b, std::int64_t tile, std::int64_t block) const {
    if (block >= geometry.visible_blocks(b, tile)) return false;
    if (block < sink_blocks) return true;
    const std::int64_t len_k = geometry.len_k(b), first = tile * geometry.block_q + len_k - geometry.len_q(b);
    const std::int64_t end = first + geometry.block_q < len_k ? first + geometry.block_q : len_k;
    return block >= block_of(first) - local_blocks && block <= block_of(end - 1) + local_blocks;
  }

 private:
  // Queries before the first key have negative positions.
  HALFTONE_FUNCTION std::int64_t block_of(std::int64_t position) const {
    return (position < 0 ? position - geometry.block_k + 1 : position) / geometry.block_k;
  }
};

/// Forced blocks over all batches, heads and tiles.
std::int64_t count_forced_blocks(const NearField& near);

/// Turns scores [batch, heads_q, tiles, blocks] into priorities, in place: score * head_weight[head] for the blocks that
/// compete, infinity for forced ones, -infinity for invisible ones, so that "priority > tolerance" decides for all.
/// Returns the number of scores that are not finite.
std::int64_t prioritise(const Array<float>& scores, const Array<float>& head_weight, const NearField& near);

/// The smallest tolerance that at most `count` of the finite priorities of all layers exceed; -1, which all exceed, when
/// there are no more than that. Blocks that tie with it are left out together, so that fewer than `count` may exceed it.
/// A radix select on the bits of the priorities (which order as integers, being positive), in three passes.
float find_tolerance(std::span<const Array<float>> priorities, std::int64_t count);

/// The mask of the blocks whose priority exceeds the tolerance. `visible` is the density's denominator.
BlockMask select_blocks(const Array<float>& priorities, float tolerance, const MaskGeometry& geometry,
                        std::int64_t visible);

}  // namespace halftone::patterns::detail
