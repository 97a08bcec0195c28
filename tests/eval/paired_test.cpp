// Statistics against numbers worked out by hand.
#include "halftone/eval/statistics/paired.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "halftone/core/error.hpp"

namespace halftone::eval {
namespace {

using ::testing::DoubleEq;
using ::testing::DoubleNear;
using ::testing::ElementsAre;

TEST(Paired, MeanOverStrataOfTheirMeans) {
  EXPECT_DOUBLE_EQ(stratified_mean({{1.0, 2.0, 6.0}, {}}), 3.0);
  EXPECT_DOUBLE_EQ(stratified_mean({{1.0, 2.0, 6.0}, {7, 7, 3}}), (1.5 + 6.0) / 2);
  EXPECT_THROW(stratified_mean({{}, {}}), InvalidArgument);
  EXPECT_THROW(stratified_mean({{1.0, 2.0}, {0}}), InvalidArgument);
}

TEST(Paired, BootstrapKeepsStrata) {
  // Single-document strata cannot vary.
  for (const double mean : bootstrap_means({{1.0, 5.0}, {0, 1}}, {100, 1})) EXPECT_DOUBLE_EQ(mean, 3.0);
  // Two documents in one stratum: their four equally likely samples have means 0, 1, 1, 2.
  const std::vector<double> means = bootstrap_means({{0.0, 2.0}, {}}, {20000, 1});
  ASSERT_TRUE(std::is_sorted(means.begin(), means.end()));
  for (const auto& [value, share] : {std::pair{0.0, 0.25}, {1.0, 0.5}, {2.0, 0.25}})
    EXPECT_NEAR(static_cast<double>(std::count(means.begin(), means.end(), value)) / 20000.0, share, 0.015) << value;
  EXPECT_EQ(means, bootstrap_means({{0.0, 2.0}, {}}, {20000, 1}));
  EXPECT_THROW(bootstrap_means({{1.0}, {}}, {0, 1}), InvalidArgument);
}

TEST(Paired, IntervalHoldsTheMiddle) {
  std::vector<double> means(101);
  for (int i = 0; i <= 100; ++i) means[i] = i;
  const Interval interval = percentile_interval(means, 0.9);
  EXPECT_DOUBLE_EQ(interval.low, 5.0);
  EXPECT_DOUBLE_EQ(interval.high, 95.0);
  EXPECT_THROW(percentile_interval(means, 1.0), InvalidArgument);
  EXPECT_THROW(percentile_interval({}, 0.9), InvalidArgument);
}

TEST(Paired, SignFlipsCountEveryPattern) {
  // |mean| of (1, 2, 3) is largest for the two patterns of equal signs: 2 of 8.
  EXPECT_DOUBLE_EQ(sign_flip_p({{1.0, 2.0, 3.0}, {}}), 0.25);
  // (1, -2, 3): sums of +-1 +-2 +-3 at least 2 in size: 6, 2, 4 and their opposites: 6 of 8.
  EXPECT_DOUBLE_EQ(sign_flip_p({{1.0, -2.0, 3.0}, {}}), 0.75);
  EXPECT_DOUBLE_EQ(sign_flip_p({{0.0, 0.0}, {}}), 1.0);
  // Strata weigh: stratum means 1 and (3 - 1) / 2 = 1; sizes of the mean over the 8 patterns: 1, 1.5, 0.5, 0 twice each.
  EXPECT_DOUBLE_EQ(sign_flip_p({{1.0, 3.0, -1.0}, {0, 1, 1}}), 0.5);
}

TEST(Paired, SignFlipsAreSampledWhereTheyAreMany) {
  const PairedDifferences many{std::vector<double>(40, 1.0), {}};
  EXPECT_DOUBLE_EQ(sign_flip_p(many, {1000, 3}), 1.0 / 1001.0);  // no random pattern comes near, and p is not 0
  PairedDifferences balanced = many;
  for (int i = 0; i < 20; ++i) balanced.values[i] = -1.0;
  EXPECT_DOUBLE_EQ(sign_flip_p(balanced, {1000, 3}), 1.0);
}

TEST(Paired, EquivalenceNeedsBothSides) {
  EXPECT_DOUBLE_EQ(equivalence_p({-2.0, -0.5, 0.5, 0.6}, 1.0), 0.25);
  EXPECT_DOUBLE_EQ(equivalence_p({0.5, 1.0, 2.0, 3.0}, 1.0), 0.75);  // the margin itself is outside
  EXPECT_DOUBLE_EQ(equivalence_p({-0.5, 0.5}, 1.0), 0.0);
  EXPECT_THROW(equivalence_p({0.0}, 0.0), InvalidArgument);
}

TEST(Paired, HolmStepsDown) {
  EXPECT_THAT(holm_adjusted({0.01, 0.04, 0.03}), ElementsAre(DoubleEq(0.03), DoubleEq(0.06), DoubleEq(0.06)));
  EXPECT_THAT(holm_adjusted({0.5, 0.9}), ElementsAre(DoubleEq(1.0), DoubleNear(1.0, 1e-12)));
  EXPECT_TRUE(holm_adjusted({}).empty());
}

}  // namespace
}  // namespace halftone::eval
