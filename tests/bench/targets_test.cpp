// Which rows the table of the GPU benchmark has.
#include "bench/cuda/targets.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace halftone::bench {
namespace {

using ::testing::ElementsAre;

std::vector<Target> targets(const std::string& filter, const std::vector<NamedMask>& given = {}) {
  Options options;
  options.filter = filter;
  return targets_of(options, given);
}

std::vector<std::string> names(const Target& target) {
  std::vector<std::string> names;
  for (const SparseTarget& mask : target.masks) names.push_back(mask.name());
  return names;
}

std::vector<int> even_beside(const Target& target) {
  std::vector<int> places;
  for (const SparseTarget& mask : target.masks) places.push_back(target.even_beside(mask));
  return places;
}

TEST(BenchTargets, LandmarksAndUnevenRowsStandBesideEvenOnes) {
  const std::vector<Target> found = targets("dim128 causal 16384");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_THAT(names(found[0]), ElementsAre("even", "uneven", "even + landmarks"));
  EXPECT_THAT(even_beside(found[0]), ElementsAre(-1, 0, 0));
}

TEST(BenchTargets, GroupedHeads) {
  const std::vector<Target> found = targets("dim64 causal 32768");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_THAT(names(found[0]), ElementsAre("even", "even + landmarks"));
  EXPECT_EQ(found[1].name(), "dim64 causal 32768 heads 16/4");
  EXPECT_EQ(found[1].shape.heads_kv, 4);
  EXPECT_THAT(names(found[1]), ElementsAre("even"));
}

TEST(BenchTargets, GivenMasksShareTheirDenseRowsAndHaveEvenOnesBeside) {
  MaskGeometry geometry;
  geometry.heads = 4;
  geometry.seq_q = geometry.seq_k = 2048;
  geometry.block_k = 128;
  const std::vector<NamedMask> given{{"halftone layer 1", uneven_mask(geometry, 0.3)},
                                     {"halftone layer 4", uneven_mask(geometry, 0.45)}};
  const std::vector<Target> found = targets("dim128 .* heads 4/4", given);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].shape.batch, 8);
  EXPECT_EQ(found[1].shape.batch, 32) << "16 heads in all";
  EXPECT_EQ(names(found[1]), names(found[0]));
  const Target& target = found[0];
  EXPECT_TRUE(target.causal);
  EXPECT_EQ(target.shape.seq, 2048);
  EXPECT_THAT(names(target), ElementsAre("halftone layer 1", "even", "halftone layer 4", "even"));
  EXPECT_THAT(even_beside(target), ElementsAre(1, -1, 3, -1));
  for (std::size_t i = 0; i < 4; i += 2) {
    const MaskArrays real = target.mask(target.masks[i]), even = target.mask(target.masks[i + 1]);
    EXPECT_EQ(real.col_idx, given[i / 2].mask.col_idx);
    EXPECT_NE(even.col_idx, real.col_idx);
    EXPECT_NEAR(even.density(), real.density(), 0.01);
    EXPECT_EQ(even.visible, real.visible);
    EXPECT_EQ(even.sizes.heads, 4);
    EXPECT_EQ(even.sizes.block_k, 128);
    EXPECT_TRUE(even.causal);
  }
}

TEST(BenchTargets, NothingMatches) { EXPECT_TRUE(targets("dim96").empty()); }

}  // namespace
}  // namespace halftone::bench
