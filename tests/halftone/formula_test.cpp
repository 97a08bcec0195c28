#include "halftone/patterns/halftone/formula.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "halftone/patterns/halftone/near_field.hpp"
#include "problem.hpp"

namespace halftone {
namespace {

using namespace patterns::detail;

TEST(Kappa, IsContinuousWithItsSlopeAtTheSwitch) {
  for (const float n : {2.0f, 4.0f, 16.0f, 64.0f}) {
    const float log_count = std::log(n), step = 1e-3f;
    EXPECT_NEAR(kappa(log_count, log_count), log_count, 1e-6);
    EXPECT_NEAR(kappa(log_count + step, log_count) - log_count, step, 1e-5);
    EXPECT_NEAR(log_count - kappa(log_count - step, log_count), step, 1e-5);
  }
}

TEST(Kappa, GrowsWithTheVarianceAndNeverBeyondTheMaximum) {
  const float log_count = std::log(16.0f);
  float last = 0.0f;
  for (float h = 0.125f; h < 500.0f; h *= 1.5f) {
    const float k = kappa(h, log_count);
    EXPECT_GT(k, last);
    EXPECT_LE(k, h);
    EXPECT_LE(k + log_count, std::max(2.0f * std::sqrt(h * log_count), 2.0f * log_count) * 1.00001f);
    last = k;
  }
}

TEST(Kappa, IsZeroForOneKey) { EXPECT_EQ(kappa(0.0f, 0.0f), 0.0f); }

TEST(LogMass2, IsTheLogMassInPowersOfTwo) {
  const double log2_e = std::log2(std::exp(1.0)), reference = -3.5;
  for (const double scale : {0.05, 0.125, 1.0})
    for (const int n : {1, 3, 8, 16, 64}) {
      const LogMass2 mass(static_cast<float>(scale), static_cast<float>(std::log2(n)));
      for (double variance : {0.0, 0.01, 1.0, 2.0, 40.0, 5000.0}) {
        if (n == 1) variance = 0.0;
        const double mean = 7.25 - variance;
        const double expected =
            testing::naive_log_mass(n, scale * mean, scale * scale * variance) * log2_e - reference;
        const float got = mass(static_cast<float>(mean), static_cast<float>(variance),
                               static_cast<float>(std::log2(n) - reference), static_cast<float>(-reference));
        EXPECT_NEAR(got, expected, 1e-6 * (1.0 + std::abs(expected) + scale * std::abs(mean)))
            << "scale " << scale << ", " << n << " keys, variance " << variance;
      }
    }
}

TEST(KeyMoments, AreRoundedToBfloat16) {
  // Distances 0, 1, 2 and 6 from 1: mean 3.25, variance 5.1875, which is no bfloat16 (its neighbours are 5.1875 +- 1/64).
  const MeanAndVariance exact = key_moments(1.0f, 9.0f, 41.0f, 0.25f);
  EXPECT_EQ(exact.mean, 3.25f);
  EXPECT_EQ(exact.variance, 5.1875f);
  // A third of 1, 1 and 2 above 100: 101 1/3 lies between 101 and 101.5; 2/9 rounds to 0.22265625.
  const MeanAndVariance rounded = key_moments(100.0f, 4.0f, 6.0f, 1.0f / 3.0f);
  EXPECT_EQ(rounded.mean, 101.5f);
  EXPECT_EQ(rounded.variance, 0.22265625f);
}

TEST(KeyMoments, HaveNoNegativeVariance) { EXPECT_EQ(key_moments(0.0f, 2.0f, 0.99f, 0.5f).variance, 0.0f); }

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
