#include "halftone/patterns/halftone/landmarks.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "halftone/patterns/halftone/halftone.hpp"
#include "problem.hpp"

namespace halftone {
namespace {

using namespace patterns;
using testing::Case;
using testing::Problem;

class LandmarkTest : public ::testing::TestWithParam<Case> {};

TEST_P(LandmarkTest, SummariseEveryBlockByItsMeans) {
  Case c = GetParam();
  c.options.tolerance = 0.01;
  c.options.landmarks = true;
  const Problem p(c);
  const HalftoneLayer layer = p.layer();
  const HalftoneResult result = select_halftone({&layer, 1}, p.geometry, c.options);
  ASSERT_TRUE(result.layers[0].landmarks);
  const Landmarks& landmarks = *result.layers[0].landmarks;
  const HostTensor::Shape shape{p.batch(), c.heads_kv, p.blocks(), c.dim};
  const double epsilon = c.dtype == DType::float32 ? 2e-7 : c.dtype == DType::float16 ? 0x1.0p-11 : 0x1.0p-8;
  for (const auto& [tensor, source] : {std::pair{landmarks.key, p.host_k}, {landmarks.value, p.host_v}}) {
    ASSERT_EQ(tensor.dtype, c.dtype);
    ASSERT_EQ(tensor.shape, shape);
    const HostTensor means = convert(to_host(tensor), DType::float32);
    const auto* mean = static_cast<const float*>(means.data());
    for (int b = 0; b < p.batch(); ++b)
      for (int h = 0; h < c.heads_kv; ++h)
        for (int block = 0; block < p.blocks(); ++block)
          for (int j = 0; j < c.dim; ++j, ++mean) {
            double sum = 0.0, size = 0.0;
            int count = 0;
            for (int i = block * c.block_k; i < (block + 1) * c.block_k && i < c.len_k[b]; ++i, ++count) {
              sum += p.element(source, b, h, i, j);
              size += std::abs(p.element(source, b, h, i, j));
            }
            const double expected = count ? sum / count : 0.0;
            ASSERT_NEAR(*mean, expected, epsilon * std::abs(expected) + (count ? 4e-7 * size / count : 0.0))
                << "batch " << b << " head " << h << " block " << block << " dim " << j;
          }
  }
}

TEST_P(LandmarkTest, StandInForUnselectedPastBlocksOfGatedHeadsOnly) {
  Case c = GetParam();
  c.options.tolerance = 0.12;
  c.options.local_blocks = 0;
  c.options.landmarks = true;
  const Problem p(c);
  HalftoneLayer layer = p.layer();
  layer.gate.assign(c.heads_q, true);
  if (c.heads_q > 1) layer.gate[1] = false;
  const HalftoneResult result = select_halftone({&layer, 1}, p.geometry, c.options);
  ASSERT_TRUE(result.layers[0].landmarks);
  const Landmarks& landmarks = *result.layers[0].landmarks;
  EXPECT_EQ(landmarks.tiles, p.tiles());
  EXPECT_EQ(landmarks.block_q, 128);
  EXPECT_EQ(testing::to_vector(landmarks.bias), testing::landmark_biases(p, result.layers[0].mask, layer.gate));
}

INSTANTIATE_TEST_SUITE_P(Halftone, LandmarkTest, ::testing::ValuesIn(testing::all_cases()),
                         [](const auto& info) { return info.param.name; });

TEST(LandmarkGates, DecideWhetherALayerHasLandmarks) {
  const Problem p({.name = "gates", .len_q = {500}, .len_k = {500}});
  const std::vector<HalftoneLayer> layers{p.layer(), p.layer(), p.layer()};
  std::vector<HalftoneLayer> gated = layers;
  gated[1].gate = {false, false};
  gated[1].v = nullptr;  // and then the values are not needed
  gated[2].gate = {false, true};
  const HalftoneResult on = select_halftone(gated, p.geometry, {.tolerance = 0.05, .landmarks = true});
  EXPECT_TRUE(on.layers[0].landmarks);
  EXPECT_FALSE(on.layers[1].landmarks);
  EXPECT_TRUE(on.layers[2].landmarks);
  const HalftoneResult off = select_halftone(gated, p.geometry, {.tolerance = 0.05});
  for (const HalftoneSelection& layer : off.layers) EXPECT_FALSE(layer.landmarks);
}

TEST(LandmarkGates, DoNotChangeTheSelection) {
  const Problem p({.name = "gates", .len_q = {700}, .len_k = {700}});
  const HalftoneLayer layer = p.layer();
  const HalftoneResult with = select_halftone({&layer, 1}, p.geometry, {.tolerance = 0.05, .landmarks = true});
  const HalftoneResult without = select_halftone({&layer, 1}, p.geometry, {.tolerance = 0.05});
  EXPECT_EQ(testing::kept_blocks(p, with.layers[0].mask), testing::kept_blocks(p, without.layers[0].mask));
}

}  // namespace
}  // namespace halftone
