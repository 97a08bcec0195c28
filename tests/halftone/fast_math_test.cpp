#include "halftone/core/fast_math.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace halftone {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(FastExp, IsAccurateOverItsRange) {
  double worst = 0.0;
  for (double x = -87.3364; x < 88.37; x += 1e-4) {
    const auto argument = static_cast<float>(x);
    const double exact = std::exp(static_cast<double>(argument));
    worst = std::max(worst, std::abs(static_cast<double>(fast_exp(argument)) - exact) / exact);
  }
  EXPECT_LT(worst, 3e-7);
}

TEST(FastExp, IsExactAtZero) {
  EXPECT_EQ(fast_exp(0.0f), 1.0f);
  EXPECT_EQ(fast_exp(-0.0f), 1.0f);
}

TEST(FastExp, VanishesWithoutSubnormals) {
  EXPECT_EQ(fast_exp(-kInfinity), 0.0f);
  EXPECT_EQ(fast_exp(std::numeric_limits<float>::lowest()), 0.0f);
  EXPECT_EQ(fast_exp(-1e4f), 0.0f);
  for (float x = -86.0f; x > -105.0f; x -= 1e-3f) {
    const float y = fast_exp(x);
    ASSERT_TRUE(y == 0.0f || y >= std::numeric_limits<float>::min()) << "at " << x;
  }
}

TEST(FastExp, OverflowsToInfinity) {
  EXPECT_EQ(fast_exp(kInfinity), kInfinity);
  EXPECT_EQ(fast_exp(std::numeric_limits<float>::max()), kInfinity);
  EXPECT_EQ(fast_exp(89.0f), kInfinity);
  EXPECT_LT(fast_exp(88.3f), kInfinity);
}

TEST(FastExp, KeepsNaN) { EXPECT_TRUE(std::isnan(fast_exp(std::numeric_limits<float>::quiet_NaN()))); }

TEST(MultiplyAdd, MultipliesAndAdds) { EXPECT_EQ(multiply_add(3.0f, -4.0f, 5.5f), -6.5f); }

}  // namespace
}  // namespace halftone
