#include <gtest/gtest.h>

#include "halftone/eval/model/cross_entropy.hpp"
#include "halftone/eval/model/heads.hpp"
#include "halftone/eval/model/rms_norm.hpp"
#include "halftone/eval/model/swiglu.hpp"
#include "support/arrays.hpp"
#include "support/random.hpp"
#include "tiny_model.hpp"

namespace halftone::testing {

using eval::Matrix;

std::vector<float> values_of(const Array<float>& array) {
  const auto host = Kokkos::create_mirror_view_and_copy(HostSpace{}, array);
  return {host.data(), host.data() + host.size()};
}

TEST(Linear, MultipliesByTheTransposedWeight) {
  const Matrix x = make_matrix(2, 3, {1, 2, 3, 4, 5, 6}), weight = make_matrix(2, 3, {1, 0, -1, 2, 1, 0});
  const Matrix out = make_matrix(2, 2, {10, 20, 30, 40});
  eval::linear(x, weight, out, 1.0f);
  EXPECT_THAT(values_of(out), ::testing::ElementsAre(8, 24, 28, 53));
  eval::linear(x, weight, out);
  EXPECT_THAT(values_of(out), ::testing::ElementsAre(-2, 4, -2, 13));
}

TEST(Linear, AgreesWithLoopsAtOddSizesAndOnRowsOfAMatrix) {
  constexpr std::size_t rows = 37, in = 53, out = 29;
  const auto a = random_tensor(DType::float32, {1, 1, rows, in}, 1);
  const auto b = random_tensor(DType::float32, {1, 1, out, in}, 2);
  const auto *pa = static_cast<const float*>(a.data()), *pb = static_cast<const float*>(b.data());
  std::vector<float> wanted(20 * out);
  for (std::size_t r = 0; r < 20; ++r) {
    for (std::size_t c = 0; c < out; ++c) {
      double sum = 0.0;
      for (std::size_t i = 0; i < in; ++i) sum += static_cast<double>(pa[(r + 5) * in + i]) * pb[c * in + i];
      wanted[r * out + c] = static_cast<float>(sum);
    }
  }
  const Matrix x = make_matrix(rows, in, {pa, pa + rows * in}), weight = make_matrix(out, in, {pb, pb + out * in});
  const Matrix y("y", 20, out);
  eval::linear(eval::rows_of(x, 5, 25), weight, y);
  expect_close(values_of(y), wanted, 1e-5);
}

TEST(Linear, RefusesShapesThatDoNotFit) {
  const Matrix x("x", 2, 3), weight("w", 4, 5), out("o", 2, 4);
  EXPECT_EQ(refusal([&] { eval::linear(x, weight, out); }),
            "linear: got x [2, 3], weight [4, 5], out [2, 4], "
            "expected x [rows, in], weight [out, in], out [rows, out]");
}

TEST(RmsNorm, ByHand) {
  const Matrix x = make_matrix(2, 2, {3, 4, 0, 0});  // mean square of the first row: 12.5
  eval::rms_norm(x, to_array<float>({1, 2}), 12.5, x);
  const auto y = values_of(x);
  EXPECT_FLOAT_EQ(y[0], 0.6f);
  EXPECT_FLOAT_EQ(y[1], 1.6f);
  EXPECT_EQ(y[2], 0.0f);
  EXPECT_EQ(y[3], 0.0f);
}

TEST(SwiGlu, ByHand) {
  const Matrix y("y", 1, 2);
  eval::swiglu(make_matrix(1, 4, {0, std::log(3.0f), 5, 8}), y);  // silu(ln 3) = ln 3 * 3 / 4
  EXPECT_EQ(values_of(y)[0], 0.0f);
  EXPECT_FLOAT_EQ(values_of(y)[1], 6.0f * std::log(3.0f));
}

TEST(Rotary, RotatesAPlaneByThePosition) {
  const auto table = eval::rotary_table(3, 2, 10000.0);
  const Matrix x = make_matrix(3, 2, {1, 0, 1, 0, 0, 1});
  const auto y = values_of(eval::split_heads_rotated(x, 0, 1, 2, table));
  const std::vector<float> wanted = {1, 0, std::cos(1.0f), std::sin(1.0f), -std::sin(2.0f), std::cos(2.0f)};
  expect_close(y, wanted, 1e-6);
}

TEST(Rotary, PairsTheHalvesOfEachHead) {
  // theta = 4, dim = 4: angles of position 1 are 1 and 4^(-1/2) = 0.5; planes are elements (0, 2) and (1, 3).
  const auto table = eval::rotary_table(2, 4, 4.0);
  const Matrix x = make_matrix(2, 9, {9, 0, 0, 0, 0, 0, 0, 0, 0, 9, 1, 0, 0, 0, 0, 0, 0, 1});
  const auto y = values_of(eval::split_heads_rotated(x, 1, 2, 4, table));
  const std::vector<float> wanted = {0, 0, 0, 0, std::cos(1.0f), 0, std::sin(1.0f), 0,
                                     0, 0, 0, 0, 0, -std::sin(0.5f), 0, std::cos(0.5f)};
  expect_close(y, wanted, 1e-6);
}

TEST(Rotary, AnglesStayExactFarOut) {
  const auto cos = values_of(eval::rotary_table(70000, 4, 10000.0).cos);
  EXPECT_FLOAT_EQ(cos[2 * 69999], static_cast<float>(std::cos(69999.0)));
  EXPECT_FLOAT_EQ(cos[2 * 69999 + 1], static_cast<float>(std::cos(699.99)));
}

TEST(Heads, SplitOrdersByHeadAndMergeUndoesIt) {
  const std::vector<float> values = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};  // 2 positions of 3 heads of 2
  const Tensor heads = eval::split_heads(make_matrix(2, 6, values), 0, 3, 2);
  EXPECT_THAT(values_of(heads), ::testing::ElementsAre(0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11));
  const Matrix merged("merged", 2, 6);
  eval::merge_heads(heads, merged);
  EXPECT_EQ(values_of(merged), values);
  EXPECT_THAT(values_of(eval::split_heads(make_matrix(2, 6, values), 4, 1, 2)), ::testing::ElementsAre(4, 5, 10, 11));
}

TEST(CrossEntropy, ByHandAndWithoutOverflow) {
  const Array<float> loss("loss", 3);
  eval::cross_entropy(make_matrix(3, 4, {7, 7, 7, 7, 1000, 0, 0, 0, -2000, -2000, -2001, -3000}),
                      to_array<std::uint32_t>({2, 1, 2}), loss);
  const auto values = values_of(loss);
  EXPECT_FLOAT_EQ(values[0], std::log(4.0f));
  EXPECT_FLOAT_EQ(values[1], 1000.0f);
  EXPECT_FLOAT_EQ(values[2], std::log(2.0f + std::exp(-1.0f)) + 1.0f);
}

}  // namespace halftone::testing
