// Token by token comparisons against softmaxes written out in double.
#include "halftone/eval/quality/token_quality.hpp"

#include <algorithm>

#include "halftone/kernels/attention.hpp"
#include "model/tiny_model.hpp"

namespace halftone::testing {
namespace {

using eval::Matrix;

struct TokenQualityTest : ::testing::Test {
  eval::LlamaModel model{tiny_model_file()};
  std::vector<std::int32_t> tokens = tiny_tokens();
  std::span<const std::int32_t> seen{tokens.data(), tokens.size() - 1}, targets{tokens.data() + 1, tokens.size() - 1};
  Matrix dense = model.forward(seen);
  // A flatter softmax: another model, but not too different a one.
  Matrix changed = model.forward(seen, [](int, const Tensor& q, const Tensor& k, const Tensor& v) {
    AttentionOptions options;
    options.scale = 0.1f / std::sqrt(static_cast<float>(q.shape[3]));
    return block_sparse_attention(q, k, v, options).o;
  });

  std::vector<double> log_probabilities(const std::vector<float>& logits, std::size_t row) const {
    const std::size_t vocab = model.sizes().vocab_size;
    double sum = 0.0;
    for (std::size_t c = 0; c < vocab; ++c) sum += std::exp(double(logits[row * vocab + c]));
    std::vector<double> result(vocab);
    for (std::size_t c = 0; c < vocab; ++c) result[c] = double(logits[row * vocab + c]) - std::log(sum);
    return result;
  }
};

std::size_t first(const std::vector<double>& values) {
  return std::max_element(values.begin(), values.end()) - values.begin();
}

TEST_F(TokenQualityTest, MatchesSoftmaxesWrittenOut) {
  const eval::TokenQuality quality = eval::compare_tokens(model, dense, changed, targets);
  const std::vector<float> a = values_of(model.logits(dense)), b = values_of(model.logits(changed));
  ASSERT_EQ(quality.size(), targets.size());
  int agreeing = 0;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const std::vector<double> p = log_probabilities(a, i), q = log_probabilities(b, i);
    double kl = 0.0;
    for (std::size_t c = 0; c < p.size(); ++c) kl += std::exp(p[c]) * (p[c] - q[c]);
    EXPECT_NEAR(quality.reference_loss[i], -p[targets[i]], 1e-5) << i;
    EXPECT_NEAR(quality.loss[i], -q[targets[i]], 1e-5) << i;
    EXPECT_NEAR(quality.kl[i], kl, 1e-5) << i;
    EXPECT_EQ(quality.agrees[i], first(p) == first(q)) << i;
    agreeing += quality.agrees[i];
  }
  EXPECT_GT(agreeing, 0);
  EXPECT_LT(agreeing, static_cast<int>(targets.size()));
}

TEST_F(TokenQualityTest, PredictionsAreTheHighestLogits) {
  const std::vector<float> logits = values_of(model.logits(dense));
  const std::vector<std::int64_t> rows{5, 0, 36};
  const std::vector<std::int32_t> predicted = eval::predictions(model, dense, rows);
  for (std::size_t i = 0; i < rows.size(); ++i)
    EXPECT_EQ(static_cast<std::size_t>(predicted[i]), first(log_probabilities(logits, rows[i])));
  EXPECT_TRUE(eval::predictions(model, dense, {}).empty());
  EXPECT_NE(refusal([&] { eval::predictions(model, dense, std::vector<std::int64_t>{37}); }), "");
}

TEST_F(TokenQualityTest, RefusesOtherLengths) {
  EXPECT_NE(refusal([&] { eval::compare_tokens(model, dense, changed, targets.first(5)); }), "");
  const std::vector<std::int32_t> outside(targets.size(), static_cast<std::int32_t>(model.sizes().vocab_size));
  EXPECT_NE(refusal([&] { eval::compare_tokens(model, dense, changed, outside); }), "");
}

}  // namespace
}  // namespace halftone::testing
