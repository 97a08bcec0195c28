#include "halftone/core/block_mask.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "halftone/core/error.hpp"
#include "support/masks.hpp"
#include "support/messages.hpp"

namespace halftone {
namespace {

using testing::message_of;
using testing::small_mask;
using testing::to_view;

TEST(BlockMask, DensityIsKeptOverVisible) {
  HostBlockMask mask = small_mask();
  EXPECT_EQ(mask.kept(), 6);
  EXPECT_DOUBLE_EQ(mask.density(), 0.5);
  mask.visible = 0;
  EXPECT_EQ(mask.density(), 0.0);
}

TEST(BlockMask, RowsAreSharedByBatchAndGroup) {
  HostBlockMask mask = small_mask();  // 1 batch, 2 heads, 2 tiles
  EXPECT_EQ(mask.view().row(5, 0, 6, 1), 1);
  EXPECT_EQ(mask.view().row(5, 2, 6, 1), 1);
  EXPECT_EQ(mask.view().row(5, 3, 6, 0), 2);
  mask.batch = 3;
  EXPECT_EQ(mask.view().row(2, 1, 2, 1), 2 * 4 + 3);
}

TEST(BlockMask, CopiesKeepEveryField) {
  const HostBlockMask mask = small_mask(), copy = to_host(to_device(mask));
  const auto same = [](const auto& a, const auto& b) {
    return std::equal(a.data(), a.data() + a.extent(0), b.data(), b.data() + b.extent(0));
  };
  EXPECT_TRUE(same(copy.row_ptr, mask.row_ptr));
  EXPECT_TRUE(same(copy.col_idx, mask.col_idx));
  EXPECT_TRUE(same(copy.kind, mask.kind));
  EXPECT_TRUE(same(copy.bits_index, mask.bits_index));
  EXPECT_TRUE(same(copy.bits, mask.bits));
  EXPECT_EQ(copy.window_left, mask.window_left);
  EXPECT_EQ(copy.window_right, mask.window_right);
  EXPECT_EQ(copy.visible, mask.visible);
  EXPECT_EQ(copy.pattern, mask.pattern);
  EXPECT_EQ(copy.parameters, mask.parameters);
  EXPECT_NO_THROW(validate(copy));
}

/// The set of (query, key) positions of a 128 x 128 block pair (tile 1, block 1) that one kind allows.
template <class Rule>
void expect_allows(std::uint8_t kind, std::int64_t len_q, std::int64_t len_k, const Rule& rule) {
  std::vector<std::uint64_t> bits(128 * 2, 0);
  for (std::size_t i = 0; i < 128; ++i)
    for (std::size_t j = 0; j < 128; ++j)
      if ((i * 7 + j * 3) % 5 == 0) bits[i * 2 + j / 64] |= std::uint64_t{1} << (j % 64);
  const std::int32_t bits_index = 0;
  BlockMaskView mask;
  mask.kind = &kind;
  mask.bits_index = &bits_index;
  mask.bits = bits.data();
  mask.block_q = mask.block_k = 128;
  mask.window_left = 20;
  mask.window_right = 10;
  for (std::int64_t query = 128; query < 256; ++query)
    for (std::int64_t key = 128; key < 256; ++key)
      ASSERT_EQ(mask.allows(0, query, key, len_q, len_k), rule(query, key)) << query << ' ' << key;
}

TEST(Allows, EachRuleAndAllTogether) {
  const auto causal = [](std::int64_t i, std::int64_t j) { return j <= i + 5; };  // 5 more keys than queries
  const auto window = [](std::int64_t i, std::int64_t j) { return j >= i + 5 - 20 && j <= i + 5 + 10; };
  const auto ragged = [](std::int64_t i, std::int64_t j) { return i < 200 && j < 205; };
  const auto bits = [](std::int64_t i, std::int64_t j) { return ((i - 128) * 7 + (j - 128) * 3) % 5 == 0; };
  expect_allows(kBlockFull, 200, 205, [](std::int64_t, std::int64_t) { return true; });
  expect_allows(kBlockCausal, 200, 205, causal);
  expect_allows(kBlockWindow, 200, 205, window);
  expect_allows(kBlockRagged, 200, 205, ragged);
  expect_allows(kBlockBits, 200, 205, bits);
  expect_allows(kBlockCausal | kBlockWindow | kBlockRagged | kBlockBits, 200, 205, [&](std::int64_t i, std::int64_t j) {
    return causal(i, j) && window(i, j) && ragged(i, j) && bits(i, j);
  });
}

/// validate()'s refusal of the small mask after a change.
std::string refusal(const std::function<void(HostBlockMask&)>& change) {
  HostBlockMask mask = small_mask();
  change(mask);
  return message_of<InvalidArgument>([&] { validate(mask); });
}

TEST(ValidateMask, AcceptsConsistentOnes) {
  EXPECT_NO_THROW(validate(small_mask()));
  HostBlockMask empty = small_mask();
  empty.row_ptr = to_view<std::int64_t>({0, 0, 0, 0, 0});
  empty.col_idx = {};
  empty.kind = {};
  empty.bits_index = {};
  empty.bits = {};
  EXPECT_NO_THROW(validate(empty));
}

TEST(ValidateMask, RefusesSizes) {
  EXPECT_EQ(refusal([](auto& m) { m.heads = 0; }),
            "mask sizes: got batch 1, heads 0, tiles 2, blocks 3, expected all positive");
  EXPECT_EQ(refusal([](auto& m) { m.block_q = 0; }), "mask block_q: got 0, expected a positive number");
  EXPECT_EQ(refusal([](auto& m) { m.block_k = 96; }), "mask block_k: got 96, expected a multiple of 64");
}

TEST(ValidateMask, RefusesRowPointers) {
  EXPECT_EQ(refusal([](auto& m) { m.tiles = 3; }), "mask row_ptr length: got 5, expected 7");
  EXPECT_EQ(refusal([](auto& m) { m.row_ptr(0) = 1; }), "mask row_ptr[0]: got 1, expected 0");
  EXPECT_EQ(refusal([](auto& m) { m.row_ptr(2) = 0; }), "mask row_ptr[2]: got 0, expected at least row_ptr[1] = 1");
  EXPECT_EQ(refusal([](auto& m) { m.row_ptr(4) = 7; }), "mask row_ptr's last entry: got 7, expected 6");
}

TEST(ValidateMask, RefusesColumnsAndKinds) {
  EXPECT_EQ(refusal([](auto& m) { m.col_idx(0) = -1; }), "mask col_idx[0]: got -1, expected 0 to 2");
  EXPECT_EQ(refusal([](auto& m) { m.col_idx(5) = 3; }), "mask col_idx[5]: got 3, expected 0 to 2");
  EXPECT_EQ(refusal([](auto& m) { m.col_idx(2) = 0; }),
            "mask col_idx[2]: got 0, expected columns ascending within a row");
  EXPECT_EQ(refusal([](auto& m) { m.kind = to_view<std::uint8_t>({0, 0}); }), "mask kind length: got 2, expected 6");
  EXPECT_EQ(refusal([](auto& m) { m.kind(3) = 16; }), "mask kind[3]: got 16, expected a set of flags below 16");
}

TEST(ValidateMask, RefusesBits) {
  EXPECT_EQ(refusal([](auto& m) { m.bits_index(4) = 2; }), "mask bits_index[4]: got 2, expected 0 to 1");
  EXPECT_EQ(refusal([](auto& m) { m.bits_index(1) = -1; }), "mask bits_index[1]: got -1, expected 0 to 1");
  EXPECT_EQ(refusal([](auto& m) { m.bits_index = to_view<std::int32_t>({0}); }),
            "mask bits_index length: got 1, expected 0 or 6");
  EXPECT_EQ(refusal([](auto& m) {
              m.bits = to_view<std::uint64_t>({1, 2, 3, 4, 5});
            }),
            "mask bits length: got 5, expected a multiple of 4");
  EXPECT_EQ(refusal([](auto& m) { m.bits_index = {}; }), "mask bits_index[1]: got -1, expected 0 to 1");
}

}  // namespace
}  // namespace halftone
