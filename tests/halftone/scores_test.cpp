#include "halftone/patterns/halftone/scores.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "problem.hpp"
#include "support/random.hpp"

namespace halftone {
namespace {

using namespace patterns;
using testing::Case;
using testing::Problem;

class Scores : public ::testing::TestWithParam<Case> {};

TEST_P(Scores, MatchDoublePrecision) {
  const Problem p(GetParam());
  const std::vector<float> scores = testing::to_vector(halftone_scores(p.layer(), p.geometry, p.c.options));
  const testing::NaiveScores expected = testing::naive_scores(p);
  ASSERT_EQ(scores.size(), expected.score.size());
  // A share's relative error is twice the absolute error of a logit, whose terms add up to at most `magnitude`.
  // Where float32 and double arithmetic lie on two sides of a tie, an input rounds to the other neighbour, 2^-7 away;
  // that is rare enough that no logit meets it in more than two of its terms.
  const double relative =
      2.0 * (4.0 * std::numeric_limits<float>::epsilon() * expected.magnitude + 0x1p-6 * expected.largest_term) + 1e-6;
  for (int b = 0; b < p.batch(); ++b)
    for (int h = 0; h < p.c.heads_q; ++h)
      for (int t = 0; t < p.tiles(); ++t)
        for (int block = 0; block < p.blocks(); ++block) {
          const std::size_t at = p.at(b, h, t, block);
          if (p.visible(b, t, block))
            ASSERT_NEAR(scores[at], expected.score[at], relative * expected.score[at])
                << "batch " << b << " head " << h << " tile " << t << " block " << block;
          else
            ASSERT_EQ(scores[at], 0.0f) << "batch " << b << " head " << h << " tile " << t << " block " << block;
        }
}

TEST_P(Scores, AreTheSameEveryTime) {
  const Problem p(GetParam());
  EXPECT_EQ(testing::to_vector(halftone_scores(p.layer(), p.geometry, p.c.options)),
            testing::to_vector(halftone_scores(p.layer(), p.geometry, p.c.options)));
}

INSTANTIATE_TEST_SUITE_P(Halftone, Scores, ::testing::ValuesIn(testing::all_cases()),
                         [](const auto& info) { return info.param.name; });

std::vector<Case> lower_moments() {
  std::vector<Case> cases;
  for (const int moments : {0, 1}) {
    cases.push_back({.name = "moments_" + std::to_string(moments),
                     .heads_q = 4,
                     .heads_kv = 2,
                     .len_q = {700},
                     .len_k = {713},
                     .options = {.moments = moments}});
    cases.push_back(cases.back());
    cases.back().name += "_sum";
    cases.back().options.block_mass = BlockMass::sum;
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(LowerMoments, Scores, ::testing::ValuesIn(lower_moments()),
                         [](const auto& info) { return info.param.name; });

// The scores are the mean shares of the softmax over blocks of what halftone_log_mass returns.
TEST(LogMass, IsWhatTheScoresAreMadeOf) {
  const Problem p({.name = "log_mass",
                   .heads_q = 4,
                   .heads_kv = 2,
                   .len_q = {700},
                   .len_k = {713},
                   .options = {.aggregation = Aggregation::mean}});
  const int reps = p.c.options.representatives;
  const std::vector<float> scores = testing::to_vector(halftone_scores(p.layer(), p.geometry, p.c.options));
  const std::vector<float> mass = testing::to_vector(halftone_log_mass(p.layer(), p.geometry, p.c.options));
  ASSERT_EQ(mass.size(), scores.size() * reps);
  for (std::size_t row = 0; row < static_cast<std::size_t>(p.geometry.rows()); ++row) {
    const int tile = static_cast<int>(row % p.tiles()), runs = (std::min(700 - tile * 128, 128) + 7) / 8;
    std::vector<double> share(p.blocks(), 0.0);
    for (int r = 0; r < reps; ++r) {
      const float* logs = &mass[(row * reps + r) * p.blocks()];
      double sum = 0.0;
      for (int c = 0; c < p.blocks(); ++c) {
        ASSERT_EQ(std::isnan(logs[c]), r >= runs || !p.visible(0, tile, c));
        if (!std::isnan(logs[c])) sum += std::exp(double(logs[c]));
      }
      for (int c = 0; c < p.blocks(); ++c)
        if (!std::isnan(logs[c])) share[c] += std::exp(double(logs[c])) / sum / runs;
    }
    for (int c = 0; c < p.blocks(); ++c) EXPECT_NEAR(scores[row * p.blocks() + c], share[c], 1e-5 * share[c]);
  }
}

// Every key and every query by itself: the attention of a float64 softmax, block by block.
TEST(Scores, WithoutEstimatesAreTheTrueShares) {
  const Problem p({.name = "oracle",
                   .dtype = DType::bfloat16,
                   .causal = false,
                   .len_q = {200},
                   .len_k = {300},
                   .options = {.micro_block = 1, .representatives = 128, .block_mass = BlockMass::sum}});
  const std::vector<float> scores = testing::to_vector(halftone_scores(p.layer(), p.geometry, p.c.options));
  for (int h = 0; h < p.c.heads_q; ++h)
    for (int t = 0; t < p.tiles(); ++t) {
      std::vector<double> squares(static_cast<std::size_t>(p.blocks()), 0.0);
      const int end = std::min(200, (t + 1) * 128);
      for (int i = t * 128; i < end; ++i) {
        std::vector<double> share(squares.size(), 0.0);
        double sum = 0.0;
        for (int key = 0; key < 300; ++key) {
          double logit = 0.0;
          for (int j = 0; j < p.c.dim; ++j)
            logit += p.element(p.host_q, 0, h, i, j) * p.element(p.host_k, 0, 0, key, j);
          const double weight = std::exp(p.scale() * logit);
          share[static_cast<std::size_t>(key / 64)] += weight;
          sum += weight;
        }
        for (std::size_t c = 0; c < squares.size(); ++c) squares[c] += share[c] / sum * share[c] / sum;
      }
      for (std::size_t c = 0; c < squares.size(); ++c) {
        const double expected = std::sqrt(squares[c] / (end - t * 128));
        EXPECT_NEAR(scores[p.at(0, h, t, static_cast<int>(c))], expected, 1e-4 * expected);
      }
    }
}

TEST(Scores, UseTheScaleTheyAreGiven) {
  const Problem p({.name = "scale", .len_q = {300}, .len_k = {300}});
  HalftoneLayer explicit_default = p.layer(), twice = p.layer();
  explicit_default.scale = 1.0f / std::sqrt(32.0f);
  twice.scale = 2.0f / std::sqrt(32.0f);
  const auto scores = [&](const HalftoneLayer& layer) {
    return testing::to_vector(halftone_scores(layer, p.geometry, p.c.options));
  };
  EXPECT_EQ(scores(p.layer()), scores(explicit_default));
  EXPECT_NE(scores(p.layer()), scores(twice));
}

// Two blocks and one tile, not causal; the second block's keys are zero and so has log-mass ln 64. Every query is
// (x, 0, 0, ...), so that the ratio of the two shares tells the first block's log-mass. Of 32 dimensions pairs share a
// variance, so that the logits' estimated variance is half the true one.
double log_mass_of_needle(int micro_block, double x, const std::vector<double>& first_block,
                          BlockMass block_mass = BlockMass::sum) {
  const Case c{.name = "needle",
               .heads_q = 1,
               .causal = false,
               .len_q = {128},
               .len_k = {128},
               .options = {.micro_block = micro_block, .block_mass = block_mass}};
  HostTensor q("q", DType::float32, {1, 1, 128, 32}), k("k", DType::float32, {1, 1, 128, 32});
  std::fill_n(static_cast<float*>(q.data()), q.size(), 0.0f);
  std::fill_n(static_cast<float*>(k.data()), k.size(), 0.0f);
  for (int i = 0; i < 128; ++i) static_cast<float*>(q.data())[i * 32] = static_cast<float>(x);
  for (std::size_t i = 0; i < first_block.size(); ++i)
    static_cast<float*>(k.data())[i * 32] = static_cast<float>(first_block[i]);
  const Problem p(c, q, k, k);
  HalftoneLayer layer = p.layer();
  layer.scale = 1.0f;
  const std::vector<float> scores = testing::to_vector(halftone_scores(layer, p.geometry, c.options));
  return std::log(64.0) + std::log(static_cast<double>(scores[0]) / static_cast<double>(scores[1]));
}

TEST(Scores, EstimateASmallSpreadBySecondMoments) {
  // Logits +-0.5 in turn: mean 0, half their variance 1/8, so 64 e^(1/16).
  std::vector<double> keys;
  for (int i = 0; i < 64; ++i) keys.push_back(i % 2 ? 0.5 : -0.5);
  EXPECT_NEAR(log_mass_of_needle(16, 1.0, keys), std::log(64.0) + 0.0625, 1e-5);
}

TEST(Scores, TakeTheMiddleQueryOfEveryRun) {
  // One representative of 128 queries: query 64, the only one that is not zero.
  const Case c{.name = "middle",
               .heads_q = 1,
               .causal = false,
               .len_q = {128},
               .len_k = {128},
               .options = {.representatives = 1}};
  HostTensor q("q", DType::float32, {1, 1, 128, 32}), k("k", DType::float32, {1, 1, 128, 32});
  std::fill_n(static_cast<float*>(q.data()), q.size(), 0.0f);
  std::fill_n(static_cast<float*>(k.data()), k.size(), 0.0f);
  static_cast<float*>(q.data())[64 * 32] = 2.0f;
  for (int i = 0; i < 64; ++i) static_cast<float*>(k.data())[i * 32] = 1.0f;
  const Problem p(c, q, k, k);
  HalftoneLayer layer = p.layer();
  layer.scale = 1.0f;
  const std::vector<float> scores = testing::to_vector(halftone_scores(layer, p.geometry, c.options));
  EXPECT_NEAR(scores[0] / scores[1], std::exp(2.0), 1e-4);
}

TEST(Scores, RoundQueriesAndKeysToBfloat16) {
  // 8.01 and 1.001 have the neighbours 8 and 8.0625, 1 and 1.0078125.
  EXPECT_NEAR(log_mass_of_needle(16, 8.01, std::vector<double>(64, 1.001)), std::log(64.0) + 8.0, 1e-5);
}

TEST(Scores, EstimateALargeSpreadByTheSecondTangent) {
  // One key of logit x among b - 1 of logit zero. With half the variance g = x^2 (b - 1) / b^2 / 2, a quarter of it and
  // ln b come on top of the mean where that is less than g / 2.
  for (const int b : {4, 8, 16})
    for (const double x : {24.0, 30.0}) {
      const double variance = x * x * (b - 1) / (b * b) / 2.0, estimate = x / b + variance / 4.0 + std::log(b);
      ASSERT_GT(variance, 4.0 * std::log(b)) << "the case must lie beyond the first tangent";
      const double needle = b * std::exp(estimate),
                   others = 64.0 - b;  // the other micro-blocks of the block hold zeros
      EXPECT_NEAR(log_mass_of_needle(b, x, {1.0}), std::log(needle + others), 1e-4) << "b = " << b << ", x = " << x;
      // The largest micro-block against one of zeros: their ratio is e^estimate.
      EXPECT_NEAR(log_mass_of_needle(b, x, {1.0}, BlockMass::largest), std::log(64.0) + estimate, 1e-4);
    }
}

}  // namespace
}  // namespace halftone
