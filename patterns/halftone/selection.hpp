// From scores to block lists: the forced near field, the tolerance, the mask.
#pragma once

#include <cstdint>
#include <span>

#include "halftone/core/block_mask.hpp"
#include "halftone/patterns/halftone/halftone.hpp"
#include "halftone/patterns/halftone/near_field.hpp"

namespace halftone::patterns::detail {

/// The geometry of the lists, of which every query head has one, or with options.shared_lists every key-value head.
MaskGeometry list_geometry(const MaskGeometry& geometry, const HalftoneOptions& options, std::int64_t heads_kv);

/// Forced blocks over all batches, heads and tiles.
std::int64_t count_forced_blocks(const NearField& near);

/// Blocks that a density allows of `total`. The slack makes 0.3 of 10 blocks 3, though 0.3 * 10 may be a rounding
/// below.
std::int64_t blocks_of_budget(double density, double total);

struct Priorities {
  Array<float> values;      ///< [batch, lists, tiles, blocks]
  std::int64_t not_finite;  ///< scores that are not finite numbers
};

/// Turns scores [batch, heads_q, tiles, blocks] into the priorities of lists (near.geometry.heads of them, each of
/// neighbouring heads): for the blocks that compete the root mean square over the list's heads of score *
/// head_weight[head], whose errors add up in squares; infinity for forced blocks, -infinity for invisible ones, so that
/// "priority > tolerance" decides for all. Where every head has its list, in the scores' place.
Priorities prioritise(const Array<float>& scores, const Array<float>& head_weight, const NearField& near);

/// The smallest tolerance that at most `count` of the finite priorities of all layers exceed; -1, which all exceed,
/// when there are no more than that. Blocks that tie with it are left out together, so that fewer than `count` may
/// exceed it. A radix select on the bits of the priorities (which order as integers, being positive), in three passes.
float find_tolerance(std::span<const Array<float>> priorities, std::int64_t count);

/// The tolerances that meet `density`, one for each part of the priorities of all layers, which are the call, the
/// layers, their heads or their rows. Each part keeps the same share of its visible blocks, and at least its forced
/// ones: the largest share at which the whole keeps no more than the density.
struct Tolerances {
  std::vector<Array<float>> per_row;  ///< [layers] of [batch, heads_q, tiles]
  double common;                      ///< of all rows; NaN when there are several parts
};
Tolerances solve_tolerances(std::span<const Array<float>> priorities, const NearField& near, double density,
                            ToleranceScope scope);

/// `tolerance` for every row of every layer.
Tolerances one_tolerance(float tolerance, const MaskGeometry& geometry, std::size_t layers);

/// The mask of the blocks whose priority exceeds their row's tolerance.
BlockMask select_blocks(const Array<float>& priorities, const Array<float>& tolerance, const MaskGeometry& geometry);

}  // namespace halftone::patterns::detail
