#include "halftone/eval/model/activations.hpp"

#include "tiny_model.hpp"

namespace halftone::testing {

struct Activations : ::testing::Test {
  eval::LlamaModel model{tiny_model_file()};
  std::vector<std::int32_t> tokens = [] {
    auto t = tiny_tokens();
    t.pop_back();
    return t;
  }();
};

std::vector<float> float_values(const HostTensor& tensor) {
  const HostTensor floats = convert(tensor, DType::float32);
  const auto* data = static_cast<const float*>(floats.data());
  return {data, data + floats.size()};
}

/// Heads [first, first + count) of the reference's [heads, seq, dim].
std::vector<float> expected_heads(const std::string& name, std::size_t first, std::size_t count, std::size_t seq) {
  const auto all = expected(name);
  return {all.begin() + first * seq * 32, all.begin() + (first + count) * seq * 32};
}

TEST_F(Activations, KeepsAllLayersAndHeadsByDefault) {
  const auto file = eval::store_activations(model, tokens);
  ASSERT_EQ(file.layers.size(), 2u);
  EXPECT_EQ(file.tokens, tokens);
  EXPECT_EQ(file.layers[1].index, 1);
  EXPECT_EQ(file.layers[0].q.dtype, DType::bfloat16);
  EXPECT_EQ(file.layers[0].q.shape, (HostTensor::Shape{1, 4, 37, 32}));
  EXPECT_EQ(file.layers[0].k.shape, (HostTensor::Shape{1, 2, 37, 32}));
  EXPECT_FLOAT_EQ(file.layers[0].scale, 1.0f / std::sqrt(32.0f));
  EXPECT_TRUE(file.layers[0].causal);
  EXPECT_TRUE(file.layers[0].head_weight.empty());
  expect_close(float_values(file.layers[1].k), expected("layer_01/k"), 1.0 / 256);
}

TEST_F(Activations, KeepsOneGroupOfOneLayer) {
  const eval::HeadWeights weights = {{1, 2, 3, 4}, {5, 6, 7, 8}};
  std::vector<int> reached;
  const auto file = eval::store_activations(model, tokens, {.layers = {1}, .kv_group = 1, .dtype = DType::float32},
                                            weights, [&](int layer) { reached.push_back(layer); });
  ASSERT_EQ(file.layers.size(), 1u);
  const io::ActivationLayer& layer = file.layers[0];
  EXPECT_EQ(layer.index, 1);
  expect_close(float_values(layer.q), expected_heads("layer_01/q", 2, 2, 37), 1e-5);
  expect_close(float_values(layer.k), expected_heads("layer_01/k", 1, 1, 37), 1e-5);
  expect_close(float_values(layer.v), expected_heads("layer_01/v", 1, 1, 37), 1e-5);
  EXPECT_THAT(layer.head_weight, ::testing::ElementsAre(7, 8));
  EXPECT_THAT(reached, ::testing::ElementsAre(0, 1));
}

TEST_F(Activations, StopsAfterTheLastLayerWanted) {
  int reached = 0;
  eval::store_activations(model, tokens, {.layers = {0}}, {}, [&](int) { ++reached; });
  EXPECT_EQ(reached, 1);
}

TEST_F(Activations, HeadWeightsAreNormsOverTheirMean) {
  const auto weights = eval::measure_head_weights(model, tokens);
  auto norms = expected("layer_00/head_norms");
  const auto second = expected("layer_01/head_norms");
  norms.insert(norms.end(), second.begin(), second.end());
  double mean = 0.0;
  for (const float n : norms) mean += n / 8.0;
  std::vector<float> wanted, actual;
  for (const float n : norms) wanted.push_back(static_cast<float>(n / mean));
  for (const auto& row : weights) actual.insert(actual.end(), row.begin(), row.end());
  expect_close(actual, wanted, 1e-5);
}

TEST_F(Activations, RefusesLayersAndHeadsTheModelDoesNotHave) {
  const auto store = [&](const eval::ActivationSelection& selection, const eval::HeadWeights& weights = {}) {
    return refusal([&] { eval::store_activations(model, tokens, selection, weights); });
  };
  EXPECT_EQ(store({.layers = {0, 2}}), "layers: got 0, 2, expected different layers from 0 to 1");
  EXPECT_EQ(store({.layers = {1, 1}}), "layers: got 1, 1, expected different layers from 0 to 1");
  EXPECT_EQ(store({.kv_group = 2}), "kv_group: got 2, expected 0 to 1, or -1 for all");
  EXPECT_EQ(store({}, {{1, 2, 3, 4}}), "head_weights: got 1 layers of 4 heads, expected 2 layers of 4 heads");
}

}  // namespace halftone::testing
