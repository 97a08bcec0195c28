// Quality metrics against sums written out.
#include "halftone/eval/quality/attention_quality.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "support/arrays.hpp"
#include "support/random.hpp"

namespace halftone::eval {
namespace {

using halftone::testing::random_tensor;
using halftone::testing::to_array;

constexpr float kNothing = -INFINITY;

TEST(AttentionQuality, SquaredErrorsPerHead) {
  for (const DType dtype : {DType::float32, DType::float16, DType::bfloat16}) {
    const HostTensor a = random_tensor(dtype, {2, 3, 17, 20}, 1), b = random_tensor(dtype, {2, 3, 17, 20}, 2);
    const auto errors = squared_errors(to_device(a), to_device(b));
    const HostTensor x = convert(a, DType::float32), y = convert(b, DType::float32);
    ASSERT_EQ(errors.size(), 3u);
    for (int head = 0; head < 3; ++head) {
      double difference = 0.0, reference = 0.0;
      for (int batch = 0; batch < 2; ++batch)
        for (int i = 0; i < 17 * 20; ++i) {
          const double u = x.view<float>().data()[(batch * 3 + head) * 340 + i],
                       v = y.view<float>().data()[(batch * 3 + head) * 340 + i];
          difference += (u - v) * (u - v);
          reference += v * v;
        }
      const SquaredError& error = errors[static_cast<std::size_t>(head)];
      EXPECT_NEAR(error.difference, difference, 1e-9 * difference);
      EXPECT_NEAR(error.reference, reference, 1e-9 * reference);
      EXPECT_NEAR(error.relative(), std::sqrt(difference / reference), 1e-9);
    }
  }
}

TEST(AttentionQuality, SquaredErrorsAddUp) {
  SquaredError sum{1.0, 4.0};
  sum += {8.0, 32.0};
  EXPECT_DOUBLE_EQ(sum.relative(), 0.5);
  EXPECT_EQ((SquaredError{0.0, 0.0}).relative(), 0.0);
}

// Two heads of three queries; the second head's first query sees nothing, and one query lost all it could see.
TEST(AttentionQuality, CapturedMass) {
  AttentionResult dense, sparse;
  dense.o = sparse.o = Tensor("o", DType::float32, {1, 2, 3, 4});
  dense.lse = to_array({0.0f, 1.0f, 2.0f, kNothing, 3.0f, 1.0f});
  sparse.lse = to_array({0.0f, 1.0f + std::log(0.5f), kNothing, kNothing, 3.0f + std::log(0.25f), 1.0f + 1e-6f});
  auto mass = captured_mass(sparse, dense);
  ASSERT_EQ(mass.size(), 2u);
  EXPECT_NEAR(mass[0], (1.0 + 0.5 + 0.0) / 3.0, 1e-6);
  EXPECT_NEAR(mass[1], (1.0 + 0.25 + 1.0) / 3.0, 1e-6);
  EXPECT_LE(mass[1], 0.75) << "rounding must not give more than everything";

  // Half of the sparse softmax is landmarks: the kept blocks caught half of exp(lse - lse_dense).
  sparse.far_mass = to_array({0.5f, 0.5f, 0.0f, 0.0f, 0.0f, 0.0f});
  mass = captured_mass(sparse, dense);
  EXPECT_NEAR(mass[0], (0.5 + 0.25 + 0.0) / 3.0, 1e-6);
  EXPECT_NEAR(mean_far_mass(sparse), 1.0 / 6.0, 1e-7);
  EXPECT_EQ(mean_far_mass(dense), 0.0);
}

TEST(AttentionQuality, BlockMass) {
  const int seq = 200, heads = 4, dim = 20;  // neither a multiple of the blocks nor of vector registers
  const HostTensor q = random_tensor(DType::float32, {2, heads, seq, dim}, 3),
                   k = random_tensor(DType::float32, {2, 2, seq, dim}, 4);
  for (const bool causal : {true, false}) {
    AttentionOptions options;
    options.causal = causal;
    const AttentionResult dense = block_sparse_attention(to_device(q), to_device(k), to_device(k), options);
    MaskGeometry geometry;
    geometry.batch = 2;
    geometry.heads = heads;
    geometry.seq_q = geometry.seq_k = seq;
    geometry.causal = causal;
    const float scale = 1.0f / std::sqrt(static_cast<float>(dim));
    const auto mass = block_mass(to_device(q), to_device(k), dense.lse, geometry, scale, 1, 3);
    ASSERT_EQ(mass.size(), 2u * 4u);
    for (int tile = 0; tile < 2; ++tile) {
      double naive[4] = {};
      const int first = tile * 128, last = std::min(first + 128, seq);
      for (int i = first; i < last; ++i) {
        std::vector<double> p;
        double sum = 0.0;
        for (int j = 0; j < (causal ? i + 1 : seq); ++j) {
          double dot = 0.0;
          for (int d = 0; d < dim; ++d)
            dot += static_cast<double>(q.view<float>()(1, 3, i, d)) * k.view<float>()(1, 1, j, d);
          p.push_back(std::exp(scale * dot));
          sum += p.back();
        }
        for (std::size_t j = 0; j < p.size(); ++j) naive[j / 64] += p[j] / sum / (last - first);
      }
      for (int block = 0; block < 4; ++block) {
        const float got = mass[static_cast<std::size_t>(tile * 4 + block)];
        if (causal && tile == 0 && block >= 2)
          EXPECT_TRUE(std::isnan(got));
        else
          EXPECT_NEAR(got, naive[block], 1e-5) << tile << " " << block;
      }
    }
  }
}

}  // namespace
}  // namespace halftone::eval
