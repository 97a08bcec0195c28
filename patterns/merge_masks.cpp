#include "halftone/patterns/merge_masks.hpp"

#include <algorithm>

#include "halftone/patterns/block_pairs.hpp"
#include "halftone/patterns/mask_builder.hpp"

namespace halftone::patterns {
namespace {

struct MergeSelector {
  MaskGeometry geometry;  ///< of the result
  Array<BlockMaskView> members;
  Array<int> member_of_head;  ///< empty: all members count
  bool intersect;
  std::int64_t window_left = 0, window_right = 0;  ///< of the result

  struct Range {
    std::int64_t first, last;
  };

  HALFTONE_FUNCTION Range members_of(std::int64_t head) const {
    if (member_of_head.extent(0) == 0) return {0, static_cast<std::int64_t>(members.extent(0)) - 1};
    return {member_of_head(head), member_of_head(head)};
  }

  /// Where a member lists the block; -1: nowhere.
  HALFTONE_FUNCTION std::int64_t entry(const BlockMaskView& member, const RowIndex& row, std::int64_t block) const {
    const std::int64_t list = member.row(row.batch, row.head, geometry.heads, row.tile);
    std::int64_t low = member.row_ptr[list], high = member.row_ptr[list + 1];
    const std::int64_t end = high;
    while (low < high) {
      const std::int64_t middle = low + (high - low) / 2;
      if (member.col_idx[middle] < block)
        low = middle + 1;
      else
        high = middle;
    }
    return low < end && member.col_idx[low] == block ? low : -1;
  }

  HALFTONE_FUNCTION Cover cover_of(const BlockMaskView& member, const RowIndex& row, std::int64_t block) const {
    const std::int64_t at = entry(member, row, block);
    if (at < 0) return Cover::none;
    const int rules = member.kind[at] & ~geometry.edge_kind(row.batch, row.tile, block);
    if (rules == 0) return Cover::all;
    const bool same_window = member.window_left == window_left && member.window_right == window_right;
    return rules == kBlockWindow && same_window ? Cover::window : Cover::some;
  }

  HALFTONE_FUNCTION Cover cover(const RowIndex& row, std::int64_t block) const {
    const Cover decisive = intersect ? Cover::none : Cover::all;
    Cover cover = intersect ? Cover::all : Cover::none;
    int cut_by = 0;
    const Range range = members_of(row.head);
    for (std::int64_t m = range.first; m <= range.last; ++m) {
      const Cover next = cover_of(members(m), row, block);
      if (next == decisive) return decisive;
      if (next != Cover::window && next != Cover::some) continue;
      ++cut_by;
      cover = next;
    }
    if (cut_by < 2) return cover;
    return BlockPairs(geometry, row, block).cover([&](std::int64_t position, std::int64_t key) {
      return allowed(row, position, key);
    });
  }

  HALFTONE_FUNCTION bool allowed(const RowIndex& row, std::int64_t position, std::int64_t key) const {
    const std::int64_t len_q = geometry.len_q(row.batch), len_k = geometry.len_k(row.batch);
    const std::int64_t query = position - (len_k - len_q);
    const Range range = members_of(row.head);
    for (std::int64_t m = range.first; m <= range.last; ++m) {
      const std::int64_t at = entry(members(m), row, key / geometry.block_k);
      if ((at >= 0 && members(m).allows(at, query, key, len_q, len_k)) != intersect) return !intersect;
    }
    return intersect;
  }
};

template <class T>
Array<T> on_device(const std::vector<T>& values, const char* label) {
  const Array<T> device(uninitialized(label), values.size());
  const auto host = Kokkos::create_mirror_view(device);
  std::copy(values.begin(), values.end(), host.data());
  Kokkos::deep_copy(device, host);
  return device;
}

}  // namespace

BlockMask merge_masks(const MaskGeometry& geometry, std::span<const BlockMask> members, Merge merge,
                      const std::vector<int>& member_of_head) {
  MaskGeometry g = geometry;
  g.batch = 1;
  g.heads = merge == Merge::by_head ? geometry.heads : 1;
  std::vector<BlockMaskView> views;
  std::int64_t left = 0, right = 0;
  for (const BlockMask& member : members) {
    g.batch = std::max(g.batch, member.batch);
    g.heads = std::max(g.heads, member.heads);
    if (left == 0 && right == 0) left = member.window_left, right = member.window_right;
    views.push_back(member.view());
  }
  const MergeSelector select{g,
                             on_device(views, "halftone::patterns::merged_masks"),
                             on_device(member_of_head, "halftone::patterns::member_of_head"),
                             merge == Merge::intersect,
                             left,
                             right};
  BlockMask mask = build_mask(g, select);
  mask.window_left = left;
  mask.window_right = right;
  return mask;
}

}  // namespace halftone::patterns
