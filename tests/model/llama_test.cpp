#include "halftone/eval/model/llama.hpp"

#include "tiny_model.hpp"

namespace halftone::testing {

using eval::LlamaModel;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::size_t kSeq = 37;

Tensor zero_attention(int, const Tensor& q, const Tensor&, const Tensor&) {
  const Tensor o("zeros", DType::float32, q.shape);
  Kokkos::deep_copy(o.bytes, std::byte{0});
  return o;
}

struct Llama : ::testing::Test {
  io::ModelFile file = tiny_model_file();
  std::vector<std::int32_t> all_tokens = tiny_tokens();
  std::span<const std::int32_t> tokens{all_tokens.data(), kSeq};
};

TEST_F(Llama, HiddenStatesAndLogitsMatchTheReference) {
  const LlamaModel model(file);
  const eval::Matrix hidden = model.forward(tokens);
  expect_close(values_of(hidden), expected("hidden"), 1e-5);
  expect_close(values_of(model.logits(hidden)), expected("logits"), 1e-5);
}

TEST_F(Llama, TiedEmbeddingsAreTheOutputProjection) {
  file.sizes.tie_embeddings = true;
  file.parameters.erase("lm_head.weight");
  const LlamaModel model(file);
  expect_close(values_of(model.logits(model.forward(tokens))), expected("logits_tied"), 1e-5);
}

TEST_F(Llama, TokenLossesMatchTheReference) {
  expect_close(LlamaModel(file).token_losses(all_tokens), expected("losses"), 1e-5);
}

TEST_F(Llama, HookSeesRotatedHeadsInOrderAndHeadNormsMatch) {
  const LlamaModel model(file);
  int next = 0;
  model.forward(tokens, [&](int layer, const Tensor& q, const Tensor& k, const Tensor& v) {
    EXPECT_EQ(layer, next++);
    const std::string group = "layer_0" + std::to_string(layer) + "/";
    expect_close(values_of(q), expected(group + "q"), 1e-5);
    expect_close(values_of(k), expected(group + "k"), 1e-5);
    expect_close(values_of(v), expected(group + "v"), 1e-5);
    const Tensor o = eval::dense_attention(layer, q, k, v);
    expect_close(model.head_output_norms(layer, o), expected(group + "head_norms"), 1e-5);
    return o;
  });
  EXPECT_EQ(next, 2);
}

TEST_F(Llama, HookReplacesAttention) {
  // Without attention a position depends on its own token alone.
  const LlamaModel model(file);
  const std::vector<std::int32_t> repeated = {5, 9, 5, 9, 9};
  const auto hidden = values_of(model.forward(repeated, zero_attention));
  const auto row = [&](std::size_t r) {
    return std::vector<float>(hidden.begin() + r * 48, hidden.begin() + (r + 1) * 48);
  };
  expect_close(row(2), row(0), 1e-6);
  expect_close(row(4), row(1), 1e-6);
  EXPECT_NE(row(0), row(1));
  EXPECT_NE(hidden, values_of(model.forward(repeated)));
}

TEST_F(Llama, OnlyTheFirstLayersRunOnDemand) {
  const LlamaModel model(file);
  int calls = 0;
  const auto count = [&](int, const Tensor& q, const Tensor& k, const Tensor& v) {
    ++calls;
    return eval::dense_attention(0, q, k, v);
  };
  model.forward(tokens, count, 1);
  EXPECT_EQ(calls, 1);
  EXPECT_THAT(refusal([&] { model.forward(tokens, count, 3); }), HasSubstr("num_layers: got 3, expected at most 2"));
}

TEST_F(Llama, LaterTokensDoNotChangeEarlierStates) {
  const LlamaModel model(file);
  auto changed = all_tokens;
  changed[20] = (changed[20] + 1) % 61;
  const auto before = values_of(model.forward(tokens));
  const auto after = values_of(model.forward(std::span(changed).first(kSeq)));
  const auto split = 20 * 48;
  expect_close({after.begin(), after.begin() + split}, {before.begin(), before.begin() + split}, 1e-6);
  EXPECT_FALSE(std::equal(after.begin() + split, after.end(), before.begin() + split));
}

TEST_F(Llama, LongDocumentsInPartsGiveWhatShortOnesDo) {
  // Longer than the rows the feed-forward layers and the logits take at once; periodic, so losses must be too.
  const LlamaModel model(file);
  std::vector<std::int32_t> periodic(36001);
  for (std::size_t i = 0; i < periodic.size(); ++i) periodic[i] = static_cast<std::int32_t>(i % 50);
  const auto losses = model.token_losses(periodic, zero_attention);
  const auto few = model.token_losses(std::span(periodic).first(51), zero_attention);
  ASSERT_EQ(losses.size(), 36000u);
  for (std::size_t i = 0; i < losses.size(); ++i) ASSERT_NEAR(losses[i], few[i % 50], 1e-4) << "token " << i;
}

TEST_F(Llama, RefusesBadTokens) {
  const LlamaModel model(file);
  const auto forward = [&](std::vector<std::int32_t> ids) { return refusal([&] { model.forward(ids); }); };
  EXPECT_EQ(forward({}), "tokens: got 0, expected at least 1");
  EXPECT_EQ(forward({3, 61}), "token 1: got 61, expected an id below the vocabulary's size, 61");
  EXPECT_EQ(forward({-1}), "token 0: got -1, expected an id below the vocabulary's size, 61");
  EXPECT_EQ(forward({60}), "");
  EXPECT_EQ(refusal([&] { model.token_losses(tokens.first(1)); }), "tokens: got 1, expected at least 2");
}

TEST_F(Llama, RefusesAHooksResultOfAnotherShapeOrType) {
  const LlamaModel model(file);
  const auto transposed = [](int, const Tensor&, const Tensor& k, const Tensor&) { return k; };
  EXPECT_EQ(refusal([&] { model.forward(tokens, transposed); }),
            "result of the attention hook: got float32 [1, 2, 37, 32], expected float32 [1, 4, 37, 32]");
  const auto narrow = [](int, const Tensor& q, const Tensor&, const Tensor&) {
    return Tensor("narrow", DType::bfloat16, q.shape);
  };
  EXPECT_THAT(refusal([&] { model.forward(tokens, narrow); }), HasSubstr("got bfloat16"));
  EXPECT_THAT(refusal([&] { model.head_output_norms(2, Tensor("o", DType::float32, {1, 4, 3, 32})); }),
              HasSubstr("layer: got 2, expected 0 to 1"));
  EXPECT_THAT(refusal([&] { model.head_output_norms(0, Tensor("o", DType::float32, {1, 2, 3, 32})); }),
              HasSubstr("attention_output: got float32 [1, 2, 3, 32], expected float32 [1, 4, 3, 32]"));
}

TEST_F(Llama, RefusesModelsThatDoNotFitTogether) {
  const auto changed = [&](auto change) {
    io::ModelFile copy = file;
    change(copy);
    return refusal([&] { LlamaModel{copy}; });
  };
  EXPECT_EQ(changed([](auto& f) { f.sizes.num_heads = 5; }),
            "num_heads: got 5, expected a multiple of num_kv_heads, 2");
  EXPECT_THAT(changed([](auto& f) { f.sizes.num_layers = 0; }), HasSubstr("num_layers: got 0"));
  EXPECT_THAT(changed([](auto& f) { f.sizes.head_dim = 31; }), HasSubstr("head_dim: got 31, expected an even number"));
  EXPECT_THAT(changed([](auto& f) { f.parameters.erase("lm_head.weight"); }), HasSubstr("lm_head.weight"));
  EXPECT_THAT(changed([](auto& f) { f.parameters.erase("model.layers.1.mlp.up_proj.weight"); }),
              HasSubstr("model.layers.1.mlp.up_proj.weight"));
  EXPECT_THAT(changed([](auto& f) { f.sizes.vocab_size = 62; }), AllOf(HasSubstr("[61, 48]"), HasSubstr("[62, 48]")));
  EXPECT_THAT(changed([](auto& f) { f.sizes.num_layers = 3; }), HasSubstr("model.layers.2."));
}

}  // namespace halftone::testing
