// Block masks small enough to write down.
#pragma once

#include <algorithm>
#include <vector>

#include "halftone/core/block_mask.hpp"

namespace halftone::testing {

template <class T>
HostArray<T> to_view(const std::vector<T>& values) {
  HostArray<T> view("test", values.size());
  std::copy(values.begin(), values.end(), view.data());
  return view;
}

/// 1 batch, 2 heads, 2 tiles of 4 queries, 3 blocks of 64 keys; 6 of 12 visible blocks kept, of every kind.
inline HostBlockMask small_mask() {
  HostBlockMask mask;
  mask.batch = 1;
  mask.heads = 2;
  mask.tiles = 2;
  mask.blocks = 3;
  mask.block_q = 4;
  mask.block_k = 64;
  mask.visible = 12;
  mask.window_left = 17;
  mask.window_right = -3;
  mask.pattern = "by hand";
  mask.parameters = R"({"window": 17})";
  mask.row_ptr = to_view<std::int64_t>({0, 1, 3, 3, 6});
  mask.col_idx = to_view<std::int32_t>({0, 0, 2, 0, 1, 2});
  mask.kind = to_view<std::uint8_t>({kBlockFull, kBlockBits, kBlockCausal, kBlockWindow, kBlockBits, kBlockRagged});
  mask.bits_index = to_view<std::int32_t>({-1, 0, -1, -1, 1, -1});
  mask.bits = to_view<std::uint64_t>({1, 2, 3, 4, 0xffffffffffffffff, 6, 7, 0x8000000000000000});
  return mask;
}

}  // namespace halftone::testing
