// The oracle on data small enough to check by hand: keys are (ln 1, ln 2, ln 3, ln 4), so that with q = 1 and scale 1
// the softmax weights are proportional to 1, 2, 3, 4.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "halftone/kernels/reference/reference_attention.hpp"

namespace halftone {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Tiny {
  std::vector<float> q{1, 1, 1, 1};
  std::vector<float> k{0.0f, std::log(2.0f), std::log(3.0f), std::log(4.0f)};
  std::vector<float> v{10, 20, 30, 40};
  std::vector<float> o = std::vector<float>(4, -1.0f), lse = o, far = o;
  AttentionParams p;

  Tiny() {
    p.q = q.data();
    p.k = k.data();
    p.v = v.data();
    p.o = o.data();
    p.lse = lse.data();
    p.far_mass = far.data();
    p.q_stride = p.k_stride = p.v_stride = p.o_stride = {4, 4, 1};
    p.batch = p.heads_q = p.heads_kv = p.dim = 1;
    p.seq_q = p.seq_k = 4;
    p.scale = 1.0f;
  }
};

TEST(ReferenceAttention, Dense) {
  Tiny t;
  reference::attention(t.p);
  for (int i = 0; i < 4; ++i) {
    EXPECT_FLOAT_EQ(t.o[i], (10 * 1 + 20 * 2 + 30 * 3 + 40 * 4) / 10.0f);
    EXPECT_FLOAT_EQ(t.lse[i], std::log(10.0f));
    EXPECT_EQ(t.far[i], 0.0f);
  }
}

TEST(ReferenceAttention, Causal) {
  Tiny t;
  t.p.causal = true;
  reference::attention(t.p);
  EXPECT_FLOAT_EQ(t.o[0], 10.0f);
  EXPECT_FLOAT_EQ(t.o[1], 50.0f / 3.0f);
  EXPECT_FLOAT_EQ(t.o[2], 140.0f / 6.0f);
  EXPECT_FLOAT_EQ(t.o[3], 30.0f);
  EXPECT_FLOAT_EQ(t.lse[2], std::log(6.0f));
}

TEST(ReferenceAttention, CausalDiagonalEndsAtTheLastKey) {
  Tiny t;
  t.p.causal = true;
  t.p.seq_q = 2;  // two queries, four keys: they see three and four
  reference::attention(t.p);
  EXPECT_FLOAT_EQ(t.o[0], 140.0f / 6.0f);
  EXPECT_FLOAT_EQ(t.o[1], 30.0f);
  EXPECT_EQ(t.o[2], -1.0f);
}

TEST(ReferenceAttention, QueriesThatSeeNothing) {
  Tiny t;
  t.p.causal = true;
  t.p.seq_k = 2;  // four queries, two keys: the first two see none
  reference::attention(t.p);
  EXPECT_EQ(t.o[0], 0.0f);
  EXPECT_EQ(t.lse[1], -kInfinity);
  EXPECT_FLOAT_EQ(t.o[2], 10.0f);
  EXPECT_FLOAT_EQ(t.o[3], 50.0f / 3.0f);
}

TEST(ReferenceAttention, ElementRule) {
  Tiny t;
  reference::attention(t.p, [](auto, auto, auto query, auto key) { return key == 3 - query; });
  EXPECT_EQ(t.o, (std::vector<float>{40, 30, 20, 10}));
}

TEST(ReferenceAttention, Sink) {
  Tiny t;
  const float sink = std::log(10.0f);  // as heavy as all keys together
  t.p.sink = &sink;
  reference::attention(t.p);
  EXPECT_FLOAT_EQ(t.o[0], 15.0f);
  EXPECT_FLOAT_EQ(t.lse[0], std::log(20.0f));
}

TEST(ReferenceAttention, Landmarks) {
  Tiny t;
  const std::vector<float> key{std::log(5.0f), 1.0f}, value{100, -1};
  const std::vector<float> bias{std::log(2.0f), -kInfinity};  // weight 5 * 2, and a landmark that does not count
  t.p.landmarks = {key.data(), value.data(), bias.data(), 2, 1, 4};
  reference::attention(t.p);
  EXPECT_FLOAT_EQ(t.o[1], (300.0f + 1000.0f) / 20.0f);
  EXPECT_FLOAT_EQ(t.lse[1], std::log(20.0f));
  EXPECT_FLOAT_EQ(t.far[1], 0.5f);
}

TEST(ReferenceAttention, MaskBlocks) {
  // 130 keys in three blocks of 64; tile 0 (64 queries) keeps block 1 by bits, tile 1 nothing, tile 2 the ragged block.
  const int n = 130;
  std::vector<float> ones(n, 1.0f), v(n), o(n, -1.0f), lse(n);
  for (int j = 0; j < n; ++j) v[j] = static_cast<float>(j);
  const std::vector<std::int64_t> row_ptr{0, 1, 1, 2};
  const std::vector<std::int32_t> col{1, 2}, bits_index{0, -1};
  const std::vector<std::uint8_t> kind{kBlockBits, kBlockRagged};
  std::vector<std::uint64_t> bits(64);
  for (int i = 0; i < 64; ++i) bits[i] = std::uint64_t{1} << i | std::uint64_t{1} << 0;  // keys 64 and 64 + i
  Tiny t;
  t.p.q = t.p.k = ones.data();
  t.p.v = v.data();
  t.p.o = o.data();
  t.p.lse = lse.data();
  t.p.far_mass = nullptr;
  t.p.seq_q = t.p.seq_k = n;
  t.p.mask.row_ptr = row_ptr.data();
  t.p.mask.col_idx = col.data();
  t.p.mask.kind = kind.data();
  t.p.mask.bits_index = bits_index.data();
  t.p.mask.bits = bits.data();
  t.p.mask.batch = t.p.mask.heads = 1;
  t.p.mask.tiles = t.p.mask.blocks = 3;
  t.p.mask.block_q = t.p.mask.block_k = 64;
  reference::attention(t.p);
  EXPECT_FLOAT_EQ(o[0], 64.0f);
  EXPECT_FLOAT_EQ(o[10], (64.0f + 74.0f) / 2);
  EXPECT_EQ(o[64], 0.0f);
  EXPECT_EQ(lse[127], -kInfinity);
  EXPECT_FLOAT_EQ(o[128], 128.5f);
  EXPECT_FLOAT_EQ(lse[129], 1.0f + std::log(2.0f));
}

// Six heads in three groups: a head attends by its group's list, to the group's keys.
TEST(ReferenceAttention, ListsOfGroups) {
  const int n = 64, heads_q = 6, heads_kv = 3, blocks = 3;
  std::vector<float> q(heads_q * n, 1.0f), k(heads_kv * n * blocks, 0.0f), v(heads_kv * n * blocks), o(heads_q * n);
  for (int h = 0; h < heads_kv; ++h)
    for (int j = 0; j < n * blocks; ++j) v[h * n * blocks + j] = static_cast<float>(100 * h + j / n);
  const std::vector<std::int64_t> row_ptr{0, 1, 3, 3};  // block 2; blocks 0 and 2; nothing
  const std::vector<std::int32_t> col{2, 0, 2};
  const std::vector<std::uint8_t> kind(3, kBlockFull);
  Tiny t;
  t.p.q = q.data();
  t.p.k = k.data();
  t.p.v = v.data();
  t.p.o = o.data();
  t.p.lse = t.p.far_mass = nullptr;
  t.p.q_stride = t.p.o_stride = {heads_q * n, n, 1};
  t.p.k_stride = t.p.v_stride = {heads_kv * n * blocks, n * blocks, 1};
  t.p.heads_q = heads_q;
  t.p.heads_kv = heads_kv;
  t.p.seq_q = n;
  t.p.seq_k = n * blocks;
  t.p.mask.row_ptr = row_ptr.data();
  t.p.mask.col_idx = col.data();
  t.p.mask.kind = kind.data();
  t.p.mask.batch = t.p.mask.tiles = 1;
  t.p.mask.heads = heads_kv;
  t.p.mask.blocks = blocks;
  t.p.mask.block_q = t.p.mask.block_k = 64;
  reference::attention(t.p);
  const std::vector<float> expected{2.0f, 2.0f, 101.0f, 101.0f, 0.0f, 0.0f};
  for (int h = 0; h < heads_q; ++h)
    for (const int i : {0, 63}) EXPECT_FLOAT_EQ(o[h * n + i], expected[h]) << "head " << h;
}

// Against a softmax written the other way round, key by key over a full matrix, for grouped heads and a batch.
TEST(ReferenceAttention, GroupedHeadsAgainstMatrixSoftmax) {
  const int batch = 2, heads_q = 4, heads_kv = 2, n = 9, dim = 5;
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  const auto fill = [&](int count) {
    std::vector<float> x(static_cast<std::size_t>(count));
    for (float& value : x) value = normal(random);
    return x;
  };
  const auto q = fill(batch * heads_q * n * dim), k = fill(batch * heads_kv * n * dim),
             v = fill(batch * heads_kv * n * dim);
  std::vector<float> o(q.size()), lse(static_cast<std::size_t>(batch * heads_q * n));
  AttentionParams p;
  p.q = q.data();
  p.k = k.data();
  p.v = v.data();
  p.o = o.data();
  p.lse = lse.data();
  p.q_stride = p.o_stride = {heads_q * n * dim, n * dim, dim};
  p.k_stride = p.v_stride = {heads_kv * n * dim, n * dim, dim};
  p.batch = batch;
  p.heads_q = heads_q;
  p.heads_kv = heads_kv;
  p.dim = dim;
  p.seq_q = p.seq_k = n;
  p.scale = 0.7f;
  p.causal = true;
  reference::attention(p);
  for (int b = 0; b < batch; ++b)
    for (int h = 0; h < heads_q; ++h) {
      const float* kh = k.data() + (b * heads_kv + h / 2) * n * dim;
      const float* vh = v.data() + (b * heads_kv + h / 2) * n * dim;
      for (int i = 0; i < n; ++i) {
        const int row = (b * heads_q + h) * n + i;
        std::array<double, 9> weight{};
        double sum = 0.0;
        for (int j = 0; j <= i; ++j) {
          double s = 0.0;
          for (int d = 0; d < dim; ++d) s += double{q[row * dim + d]} * kh[j * dim + d];
          sum += weight[j] = std::exp(0.7 * s);
        }
        EXPECT_NEAR(lse[row], std::log(sum), 1e-6);
        for (int d = 0; d < dim; ++d) {
          double expected = 0.0;
          for (int j = 0; j <= i; ++j) expected += weight[j] / sum * vh[j * dim + d];
          EXPECT_NEAR(o[row * dim + d], expected, 1e-6);
        }
      }
    }
}

}  // namespace
}  // namespace halftone
