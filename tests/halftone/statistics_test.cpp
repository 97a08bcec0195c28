#include "halftone/patterns/halftone/statistics.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "problem.hpp"

namespace halftone {
namespace {

using namespace patterns::detail;
using testing::Case;
using testing::Problem;

// Compares every micro-block with means and variances in double, which bfloat16 holds to 2^-8. `relative` bounds the
// variance's error beside that.
void expect_statistics(const Problem& p, double relative) {
  const int micro_block = p.c.options.micro_block;
  const KeyStatistics s = key_statistics(p.k, p.geometry, {.micro_block = micro_block});
  const std::vector<float> moments = testing::to_vector(s.moments), log_count = testing::to_vector(s.log_count);
  ASSERT_EQ(s.micro, p.c.block_k / micro_block);
  ASSERT_GE(s.panels * kPanel, p.blocks());
  for (int b = 0; b < p.batch(); ++b)
    for (int block = 0; block < s.panels * kPanel; ++block)
      for (int m = 0; m < s.micro; ++m) {
        const int first = block * p.c.block_k + m * micro_block;
        const int count = std::clamp(p.c.len_k[b] - first, 0, micro_block);
        const float log = log_count[s.log_count_at(b, block / kPanel, m) + block % kPanel];
        if (count == 0)
          ASSERT_EQ(log, kNoKeys);
        else
          ASSERT_NEAR(log, std::log(count), 1e-6);
        for (int h = 0; h < p.c.heads_kv; ++h) {
          const std::int64_t at = s.moments_at(b, h, block / kPanel, m) + block % kPanel;
          std::vector<double> variances(testing::kNaiveGroups, 0.0), sizes(testing::kNaiveGroups, 0.0);
          for (int j = 0; j < p.c.dim; ++j) {
            double mean = 0.0, variance = 0.0, size = 0.0;
            for (int i = first; i < first + count; ++i) mean += p.element(p.host_k, b, h, i, j) / count;
            for (int i = first; i < first + count; ++i) {
              const double x = p.element(p.host_k, b, h, i, j);
              variance += (x - mean) * (x - mean) / count;
              size = std::max(size, std::abs(x));
            }
            variances[testing::variance_group(j, p.c.dim)] += variance;
            sizes[testing::variance_group(j, p.c.dim)] += 1.0;
            const float got = moments[at + j * kPanel];
            ASSERT_NEAR(got, mean, 4e-7 * size + 0x1p-8 * std::abs(mean))
                << "block " << block << " micro-block " << m << " dim " << j;
            ASSERT_EQ(got, static_cast<float>(testing::round_to_bfloat16(got)));
          }
          for (int group = 0; group < testing::kNaiveGroups; ++group) {
            const double variance = sizes[group] > 0.0 ? variances[group] / sizes[group] : 0.0;
            const float got = moments[at + (p.c.dim + group) * kPanel];
            ASSERT_NEAR(got, variance, (relative + 0x1p-8) * variance)
                << "block " << block << " micro-block " << m << " group " << group;
            ASSERT_GE(got, 0.0f);
            ASSERT_EQ(got, static_cast<float>(testing::round_to_bfloat16(got)));
          }
        }
      }
}

class Statistics : public ::testing::TestWithParam<Case> {};

TEST_P(Statistics, MatchDoublePrecision) { expect_statistics(Problem(GetParam()), 2e-5); }

INSTANTIATE_TEST_SUITE_P(Halftone, Statistics, ::testing::ValuesIn(testing::all_cases()),
                         [](const auto& info) { return info.param.name; });

TEST(KeyStatistics, SurviveKeysFarFromZero) {
  const Case c{.name = "far", .len_q = {300}, .len_k = {300}};
  const Problem random(c);
  HostTensor k("k", DType::float32, random.host_k.shape);
  for (std::int64_t i = 0; i < k.size(); ++i)
    static_cast<float*>(k.data())[i] = 1e4f + static_cast<const float*>(random.host_k.data())[i];
  // In one pass of squares about zero, 1e8 +- 1 would lose all of the variance in float32.
  expect_statistics(Problem(c, random.host_q, k, random.host_v), 2e-5);
}

TEST(KeyStatistics, OfEqualKeysHaveNoVariance) {
  const Case c{.name = "equal", .heads_q = 1, .len_q = {64}, .len_k = {64}};
  const Problem random(c);
  HostTensor k("k", DType::float32, random.host_k.shape);
  std::fill_n(static_cast<float*>(k.data()), k.size(), 0.1f);
  const Problem p(c, random.host_q, k, random.host_v);
  const KeyStatistics s = key_statistics(p.k, p.geometry, {.micro_block = 16});
  const std::vector<float> moments = testing::to_vector(s.moments);
  for (int m = 0; m < 4; ++m) {
    for (int j = 0; j < c.dim; ++j)
      EXPECT_EQ(moments[s.moments_at(0, 0, 0, m) + j * kPanel], 0.10009765625f);  // the bfloat16 next to 0.1
    for (int group = 0; group < kVarianceGroups; ++group)
      EXPECT_EQ(moments[s.moments_at(0, 0, 0, m) + (c.dim + group) * kPanel], 0.0f);
  }
}

// Means stay; of the two heads' 43 whole micro-blocks the variances change places, each with its groups together.
TEST(Statistics, ShuffledVariances) {
  const Problem p({.name = "shuffled", .heads_q = 2, .heads_kv = 2, .len_q = {700}, .len_k = {700}});
  patterns::HalftoneOptions options{.micro_block = 16};
  const KeyStatistics plain = key_statistics(p.k, p.geometry, options);
  options.control = patterns::Control::shuffled_variances;
  options.seed = 3;
  const KeyStatistics shuffled = key_statistics(p.k, p.geometry, options),
                      again = key_statistics(p.k, p.geometry, options);
  const std::vector<float> before = testing::to_vector(plain.moments), after = testing::to_vector(shuffled.moments);
  EXPECT_EQ(after, testing::to_vector(again.moments));
  EXPECT_NE(after, testing::to_vector(key_statistics(p.k, p.geometry, options, 1).moments));
  for (int h = 0; h < 2; ++h) {
    std::vector<std::vector<float>> old_variances, new_variances;
    int moved = 0;
    for (int place = 0; place < 44; ++place) {
      const int block = place / 4;
      const std::int64_t at = plain.moments_at(0, h, block / kPanel, place % 4) + block % kPanel;
      std::vector<float> old_groups, new_groups;
      for (int j = 0; j < p.c.dim; ++j) ASSERT_EQ(before[at + j * kPanel], after[at + j * kPanel]);
      for (int g = 0; g < testing::kNaiveGroups; ++g) {
        old_groups.push_back(before[at + (p.c.dim + g) * kPanel]);
        new_groups.push_back(after[at + (p.c.dim + g) * kPanel]);
      }
      if (place == 43) EXPECT_EQ(old_groups, new_groups) << "the ragged micro-block";
      moved += old_groups != new_groups;
      old_variances.push_back(old_groups);
      new_variances.push_back(new_groups);
    }
    EXPECT_GT(moved, 30);
    std::sort(old_variances.begin(), old_variances.end());
    std::sort(new_variances.begin(), new_variances.end());
    EXPECT_EQ(old_variances, new_variances);
  }
}

}  // namespace
}  // namespace halftone
