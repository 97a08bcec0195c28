// What happens to single queries, against numbers written out.
#include "halftone/eval/quality/query_quality.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "support/arrays.hpp"

namespace halftone::eval {
namespace {

using halftone::testing::to_array;

// Two heads of three queries of two numbers.
AttentionResult result(const std::vector<float>& o, const std::vector<float>& lse) {
  HostTensor host("o", DType::float32, {1, 2, 3, 2});
  std::copy(o.begin(), o.end(), static_cast<float*>(host.data()));
  AttentionResult result;
  result.o = to_device(host);
  result.lse = to_array(lse);
  return result;
}

AttentionResult dense_result() {
  return result({3, 4, 1, 0, 0, 2, 0, 0, 1, 1, 5, 0}, {0.0f, 1.0f, 2.0f, -INFINITY, 3.0f, 1.0f});
}

TEST(QueryQuality, OfEveryQuery) {
  const AttentionResult dense = dense_result();
  // The same, turned by a right angle, half as long; nothing to see, halved in one place, turned around.
  AttentionResult sparse =
      result({3, 4, 0, 1, 0, 1, 0, 0, 1, 0, -5, 0}, {0.0f, 0.5f, 2.0f + std::log(0.25f), -INFINITY, 3.5f, 1.0f});
  sparse.far_mass = to_array({0.0f, 0.0f, 0.0f, 0.0f, 0.5f, 0.2f});
  const QueryQuality quality = compare_queries(sparse, dense);
  const float half = 0.5f * std::exp(0.5f);  // more than 1 / 2 of the mass, that is e^0.5 times half of it
  const std::vector<float> error{0, std::sqrt(2.0f), 0.5f, 0, std::sqrt(0.5f), 2},
      cosine{1, 0, 1, 1, std::sqrt(0.5f), -1}, lse_error{0, 0.5f, std::log(4.0f), 0, 0.5f, 0},
      missed{0, 1 - std::exp(-0.5f), 0.75f, 0, 1 - half, 0.2f};
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(quality.error[i], error[i], 1e-6) << i;
    EXPECT_NEAR(quality.cosine[i], cosine[i], 1e-6) << i;
    EXPECT_NEAR(quality.lse_error[i], lse_error[i], 1e-6) << i;
    EXPECT_NEAR(quality.missed[i], missed[i], 1e-6) << i;
  }
  EXPECT_EQ(quality.far_mass, (std::vector<float>{0.0f, 0.0f, 0.0f, 0.0f, 0.5f, 0.2f}));
  EXPECT_EQ(compare_queries(dense, dense).far_mass, std::vector<float>(6, 0.0f));

  const std::vector<double> means = mean_per_head(quality.error, sparse.o.shape);
  ASSERT_EQ(means.size(), 2u);
  EXPECT_NEAR(means[0], (std::sqrt(2.0) + 0.5) / 3, 1e-6);
  EXPECT_NEAR(means[1], (std::sqrt(0.5) + 2.0) / 3, 1e-6);
  EXPECT_NEAR(far_mass_per_head(sparse)[1], 0.7 / 3, 1e-6);
  EXPECT_EQ(far_mass_per_head(dense), (std::vector<double>{0.0, 0.0}));
}

TEST(QueryQuality, MeansOfABatchRunOverItsSequences) {
  const std::vector<double> means = mean_per_head({1, 2, 3, 4, 5, 6, 7, 8}, {2, 2, 2, 16});
  EXPECT_EQ(means, (std::vector<double>{(1 + 2 + 5 + 6) / 4.0, (3 + 4 + 7 + 8) / 4.0}));
}

TEST(Indicator, SortsQueriesByTheirFarMass) {
  QueryQuality quality;
  quality.far_mass = {0.0f, 0.0005f, 0.2f, 0.1f, 0.9f, 0.05f};
  quality.error = {9.0f, 0.5f, 1.0f, 2.0f, 3.0f, 4.0f};
  quality.missed = {9.0f, 0.25f, 0.5f, 0.25f, 1.0f, 0.125f};
  Indicator indicator;
  indicator.add(quality);
  indicator.add(quality);
  EXPECT_EQ(indicator.queries, (std::array<double, 7>{2, 0, 0, 0, 2, 4, 2}));
  EXPECT_EQ(indicator.error, (std::array<double, 7>{1, 0, 0, 0, 8, 6, 6}));
  EXPECT_EQ(indicator.missed, (std::array<double, 7>{0.5, 0, 0, 0, 0.25, 1.5, 2}));
}

}  // namespace
}  // namespace halftone::eval
