// The benchmark's masks: read from a file, how even their rows are, and which blocks landmarks stand for.
#include "bench/cuda/masks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "halftone/core/io/mask_file.hpp"
#include "io/temporary_folder.hpp"
#include "support/masks.hpp"

namespace halftone::bench {
namespace {

using ::testing::ElementsAre;

/// 256 tokens in 2 tiles of 128 queries and 4 blocks of 64 keys; tile 0 keeps its own blocks, tile 1 its own and block
/// 0.
MaskArrays small_mask(bool causal) {
  MaskArrays mask;
  mask.row_ptr = {0, 2, 5};
  mask.col_idx = {0, 1, 0, 2, 3};
  mask.kind.assign(5, kBlockFull);
  mask.sizes.batch = mask.sizes.heads = 1;
  mask.sizes.tiles = 2;
  mask.sizes.blocks = 4;
  mask.sizes.block_q = 128;
  mask.sizes.block_k = 64;
  mask.causal = causal;
  return mask;
}

const float kNever = -INFINITY, kBlock = std::log(64.0f);

TEST(LandmarkBias, CausalOnlyWhollyPastBlocksThatAreLeftOut) {
  EXPECT_THAT(landmark_bias(small_mask(true), 256, 1, 1),
              ElementsAre(kNever, kNever, kNever, kNever, kNever, kBlock, kNever, kNever));
}

TEST(LandmarkBias, NotCausalEveryBlockThatIsLeftOut) {
  EXPECT_THAT(landmark_bias(small_mask(false), 256, 1, 1),
              ElementsAre(kNever, kNever, kBlock, kBlock, kNever, kBlock, kNever, kNever));
}

TEST(LandmarkBias, HeadsAndSequencesThatShareAListGetARowEach) {
  const std::vector<float> one = landmark_bias(small_mask(false), 256, 1, 1);
  std::vector<float> expected;
  for (int copy = 0; copy < 6; ++copy) expected.insert(expected.end(), one.begin(), one.end());
  EXPECT_EQ(landmark_bias(small_mask(false), 256, 2, 3), expected);
}

using MasksOfFile = halftone::testing::FileTest;

TEST_F(MasksOfFile, EveryLayerUnderThePatternsName) {
  HostBlockMask other = halftone::testing::small_mask();
  other.pattern = "another";
  other.kind = halftone::testing::to_view<std::uint8_t>({0, 0, 0, 0, 0, 0});
  io::write_mask(path("m.h5"), std::vector<io::MaskLayer>{{1, halftone::testing::small_mask()}, {4, other}},
                 halftone::testing::test_provenance());
  const std::vector<NamedMask> masks = masks_of_file(path("m.h5"));
  ASSERT_EQ(masks.size(), 2u);
  EXPECT_EQ(masks[0].name, "by hand layer 1");
  EXPECT_EQ(masks[1].name, "another layer 4");
  EXPECT_TRUE(masks[0].mask.causal);
  EXPECT_FALSE(masks[1].mask.causal);
  EXPECT_EQ(masks[0].mask.density(), 0.5);
  EXPECT_EQ(masks[0].mask.sizes.heads, 2);
  EXPECT_THAT(masks[0].mask.row_ptr, ElementsAre(0, 1, 3, 3, 6));
  EXPECT_THAT(masks[0].mask.col_idx, ElementsAre(0, 0, 2, 0, 1, 2));
  EXPECT_EQ(masks[0].mask.bits.size(), 8u);
}

TEST(UnevenMask, WithoutSpreadEveryRowKeepsTheSameShare) {
  MaskGeometry geometry;
  geometry.heads = 2;
  geometry.seq_q = geometry.seq_k = 8192;
  const auto farthest_from = [](const MaskArrays& mask, double share) {
    double worst = 0.0;
    for (std::size_t row = 0; row + 1 < mask.row_ptr.size(); ++row) {
      const double visible = 2.0 * static_cast<double>(row % 64 + 1);  // blocks that a tile of 128 queries sees
      const double kept = static_cast<double>(mask.row_ptr[row + 1] - mask.row_ptr[row]);
      worst = std::max(worst, std::abs(kept - share * visible));
    }
    return worst;
  };
  const MaskArrays even = uneven_mask(geometry, 0.3, 0.0), uneven = uneven_mask(geometry, 0.3);
  EXPECT_NEAR(even.density(), 0.3, 0.002);
  EXPECT_NEAR(uneven.density(), 0.3, 0.002);
  EXPECT_LT(farthest_from(even, 0.3), 2.0);  // rounding, and the tile's own two blocks
  EXPECT_GT(farthest_from(uneven, 0.3), 20.0);
}

}  // namespace
}  // namespace halftone::bench
