#include "halftone/core/philox.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace halftone {
namespace {

void expect_words(const Philox& random, std::uint64_t index, std::uint32_t a, std::uint32_t b, std::uint32_t c,
                  std::uint32_t d) {
  const Philox::Words words = random(index);
  EXPECT_EQ(words.w[0], a);
  EXPECT_EQ(words.w[1], b);
  EXPECT_EQ(words.w[2], c);
  EXPECT_EQ(words.w[3], d);
}

// The known answers that Random123 publishes for philox4x32-10: counter (index, stream), key (seed).
TEST(Philox, KnownAnswers) {
  expect_words({0, 0}, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
  expect_words({~0ull, ~0ull}, ~0ull, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd);
  expect_words({0x299f31d0'a4093822, 0x03707344'13198a2e}, 0x85a308d3'243f6a88, 0xd16cfe09, 0x94fdcceb, 0x5001e420,
               0x24126ea1);
}

TEST(Philox, UnitIntervalIsOpen) {
  EXPECT_EQ(Philox::to_unit(0), 0x1.0p-24f);
  EXPECT_EQ(Philox::to_unit(~0u), 1.0f - 0x1.0p-24f);
  EXPECT_EQ(Philox::to_unit(1u << 31), 0.5f + 0x1.0p-24f);
}

TEST(Philox, BelowStaysBelowAndReachesEveryValue) {
  const Philox random{7, 1};
  int counts[5] = {};
  for (std::uint64_t i = 0; i < 5000; ++i) {
    const std::uint32_t value = random.below(i, 5);
    ASSERT_LT(value, 5u);
    ++counts[value];
  }
  for (const int count : counts) EXPECT_NEAR(count, 1000, 6 * std::sqrt(800.0));  // six standard deviations
}

// Mean and variance within six standard errors of 0 and 1, a finite largest value.
TEST(Philox, NormalMoments) {
  const Philox random{1, 2};
  constexpr int n = 100000;
  double sum = 0, squares = 0, largest = 0;
  for (int i = 0; i < n; ++i) {
    const double x = random.normal(static_cast<std::uint64_t>(i));
    sum += x;
    squares += x * x;
    largest = std::max(largest, std::abs(x));
  }
  EXPECT_NEAR(sum / n, 0.0, 6 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1.0, 6 * std::sqrt(2.0 / n));
  EXPECT_GT(largest, 3.5);
  EXPECT_LT(largest, 6.0);
}

TEST(Philox, StreamsAndSeedsDiffer) {
  EXPECT_NE((Philox{1, 0}(0).w[0]), (Philox{1, 1}(0).w[0]));
  EXPECT_NE((Philox{1, 0}(0).w[0]), (Philox{2, 0}(0).w[0]));
  EXPECT_NE((Philox{1, 0}(0).w[0]), (Philox{1, 0}(1).w[0]));
}

}  // namespace
}  // namespace halftone
