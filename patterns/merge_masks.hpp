// Union and intersection of block masks, and masks whose heads come from different ones.
#pragma once

#include <span>
#include <vector>

#include "halftone/core/block_mask.hpp"

namespace halftone::patterns {

enum class Merge {
  unite,      ///< pairs that any member allows
  intersect,  ///< pairs that all members allow
  by_head     ///< head h has the list of member member_of_head[h]
};

/// Merges masks that were made for `geometry` (heads = query heads); lists that members share are shared by the result
/// where that says the same. Exact pair by pair: blocks that a member keeps in part keep its flags where one member
/// decides alone (windows must be the first one's that has any), and have explicit bits otherwise.
/// Time O(members visible blocks log(N / block_k)), and block_q block_k for blocks that several members cut.
BlockMask merge_masks(const MaskGeometry& geometry, std::span<const BlockMask> members, Merge merge,
                      const std::vector<int>& member_of_head = {});

}  // namespace halftone::patterns
