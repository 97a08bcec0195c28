#include "halftone/patterns/halftone/formula.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "halftone/patterns/halftone/near_field.hpp"
#include "problem.hpp"

namespace halftone {
namespace {

using namespace patterns::detail;

TEST(Kappa, IsTheSmallerOfTwoTangents) {
  const float log_count = std::log(8.0f);
  EXPECT_EQ(kappa(0.0f, log_count), 0.0f);
  EXPECT_EQ(kappa(1.5f, log_count), 1.5f);
  EXPECT_FLOAT_EQ(kappa(2.0f * log_count, log_count), 2.0f * log_count);
  EXPECT_FLOAT_EQ(kappa(10.0f, log_count), 5.0f + log_count);
  EXPECT_EQ(kappa(0.0f, 0.0f), 0.0f) << "one key has no variance";
  EXPECT_TRUE(std::isnan(kappa(std::nanf(""), log_count)));
}

TEST(Kappa, TouchesTheCurveItStandsFor) {
  for (const double log_count : {1.0, 2.0, 4.0})
    for (double h = 0.01; h < 100.0; h *= 1.1) {
      const double curve = h <= log_count ? h : 2.0 * std::sqrt(h * log_count) - log_count;
      EXPECT_GE(kappa(static_cast<float>(h), static_cast<float>(log_count)), curve - 1e-5 * h);
    }
  for (const float log_count : {1.0f, 2.0f, 4.0f})  // where the second tangent touches
    EXPECT_FLOAT_EQ(kappa(4.0f * log_count, log_count), 3.0f * log_count);
}

TEST(Aggregate, IsTheMeanItIsNamedAfter) {
  using patterns::Aggregation;
  const auto of = [](Aggregation how, const std::vector<float>& shares) {
    return aggregate(how, static_cast<int>(shares.size()), [&](int i) { return shares[i]; });
  };
  EXPECT_FLOAT_EQ(of(Aggregation::rms, {0.3f, 0.0f, 0.4f, 0.0f}), 0.25f);
  EXPECT_FLOAT_EQ(of(Aggregation::mean, {0.3f, 0.0f, 0.4f, 0.1f}), 0.2f);
  EXPECT_EQ(of(Aggregation::max, {0.3f, 0.0f, 0.4f, 0.1f}), 0.4f);
  EXPECT_FLOAT_EQ(of(Aggregation::rms, {3e-30f, 5e-30f}), 1e-30f * std::sqrt(17.0f)) << "squares vanish";
  for (const Aggregation how : {Aggregation::rms, Aggregation::mean, Aggregation::max}) {
    for (const float share : {0.0f, 1e-38f, 0.1234567f, 1.0f}) EXPECT_EQ(of(how, {share}), share);
    EXPECT_EQ(of(how, {0.0f, 0.0f}), 0.0f);
    EXPECT_TRUE(std::isnan(of(how, {0.5f, std::nanf(""), 0.7f})));
  }
}

TEST(KeyMoments, HaveAMeanRoundedToBfloat16) {
  // Distances 0, 1, 2 and 6 from 1.
  const MeanAndVariance exact = key_moments(1.0f, 9.0f, 41.0f, 0.25f);
  EXPECT_EQ(exact.mean, 3.25f);
  EXPECT_EQ(exact.variance, 5.1875f);
  // A third of 1, 1 and 2 above 100: 101 1/3 lies between 101 and 101.5.
  const MeanAndVariance rounded = key_moments(100.0f, 4.0f, 6.0f, 1.0f / 3.0f);
  EXPECT_EQ(rounded.mean, 101.5f);
  EXPECT_NEAR(rounded.variance, 2.0f / 9.0f, 1e-6f);
}

TEST(KeyMoments, HaveNoNegativeVariance) { EXPECT_EQ(key_moments(0.0f, 2.0f, 0.99f, 0.5f).variance, 0.0f); }

TEST(RepresentativeQuery, IsTheMiddleOneOrTheLast) {
  EXPECT_EQ(representative_query(24, 8, 1000), 28);
  EXPECT_EQ(representative_query(24, 8, 29), 28);
  EXPECT_EQ(representative_query(24, 8, 28), 27);
  EXPECT_EQ(representative_query(24, 8, 25), 24);
  EXPECT_EQ(representative_query(127, 1, 1000), 127);
}

std::vector<int> members(const VarianceGroups& groups, int group) {
  std::vector<int> dims;
  for (int i = 0; i < groups.size(group); ++i) dims.push_back(groups.at(group, i));
  return dims;
}

TEST(VarianceGroups, AreNeighboursAndTheirRotaryPartners) {
  EXPECT_EQ(members(VarianceGroups(128), 3), (std::vector<int>{12, 13, 14, 15, 76, 77, 78, 79}));
  EXPECT_EQ(members(VarianceGroups(64), 15), (std::vector<int>{30, 31, 62, 63}));
  EXPECT_EQ(members(VarianceGroups(37), 0), (std::vector<int>{0, 1, 19, 20}));
  EXPECT_EQ(members(VarianceGroups(37), 9), std::vector<int>{18});
  EXPECT_EQ(members(VarianceGroups(37), 10), std::vector<int>{});
  EXPECT_EQ(members(VarianceGroups(8), 3), (std::vector<int>{3, 7}));
}

TEST(VarianceGroups, HoldEveryDimensionOnce) {
  for (const int dim : {1, 2, 8, 32, 37, 64, 80, 96, 128, 256}) {
    std::vector<int> seen(dim, 0);
    for (int group = 0; group < kVarianceGroups; ++group)
      for (const int j : members(VarianceGroups(dim), group)) {
        ++seen.at(j);
        EXPECT_EQ(group, testing::variance_group(j, dim));
      }
    EXPECT_EQ(seen, std::vector<int>(dim, 1)) << dim << " dimensions";
  }
}

TEST(NearField, RangesSayWhatIsForced) {
  for (const testing::Case& c : testing::all_cases()) {
    if (c.packed) continue;  // their lengths may lie where the host cannot read them
    const testing::Problem p(c);
    for (const auto& [sinks, locals] : {std::pair{0, 0}, {1, 2}, {3, 1}, {1000, 0}, {0, 1000}}) {
      testing::Problem wanted = p;
      wanted.c.options.sink_blocks = sinks;
      wanted.c.options.local_blocks = locals;
      const NearField near{p.geometry, sinks, locals};
      for (int t = 0; t < p.tiles(); ++t) {
        const TileBlocks blocks = near.blocks(0, t);
        std::int64_t forced = 0, visible = 0;
        for (int block = 0; block < p.blocks(); ++block) {
          EXPECT_EQ(blocks.forced(block), wanted.forced(0, t, block)) << c << " tile " << t << " block " << block;
          forced += wanted.forced(0, t, block);
          visible += wanted.visible(0, t, block);
        }
        EXPECT_EQ(blocks.count_forced(), forced) << c << " tile " << t;
        EXPECT_EQ(blocks.visible, visible) << c << " tile " << t;
      }
    }
  }
}

}  // namespace
}  // namespace halftone
