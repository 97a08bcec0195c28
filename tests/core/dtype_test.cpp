#include "halftone/core/dtype.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "halftone/core/error.hpp"
#include "halftone/core/philox.hpp"
#include "support/messages.hpp"

namespace halftone {
namespace {

/// A binary format: significand bits after the point, smallest exponent of normal numbers, largest finite number.
struct Format {
  int mantissa_bits, min_exponent;
  double largest;
};
constexpr Format kHalf{10, -14, 65504.0};
constexpr Format kBfloat16{7, -126, 0x1.fep127};

/// x rounded to the format, ties to even, in double arithmetic: the spacing of the format's numbers around x is a power
/// of two, and dividing by it is exact.
double rounded(double x, const Format& format) {
  if (x == 0.0 || !std::isfinite(x)) return x;
  const int exponent = std::max(std::ilogb(x), format.min_exponent);
  const double spacing = std::ldexp(1.0, exponent - format.mantissa_bits);
  const double result = std::nearbyint(x / spacing) * spacing;
  return std::abs(result) > format.largest ? std::copysign(std::numeric_limits<double>::infinity(), x) : result;
}

template <class T>
T from_bits(std::uint32_t bits) {
  T value;
  value.bits = static_cast<std::uint16_t>(bits);
  return value;
}

template <class T>
void expect_rounds(float x, const Format& format) {
  const float got = T(x);
  const double expected = rounded(x, format);
  ASSERT_EQ(static_cast<double>(got), expected) << std::hexfloat << x;
  ASSERT_EQ(std::signbit(got), std::signbit(x)) << std::hexfloat << x;
}

template <class T>
class SixteenBits : public ::testing::Test {
 public:
  static constexpr Format format = std::is_same_v<T, float16> ? kHalf : kBfloat16;
};
using Types = ::testing::Types<float16, bfloat16>;
TYPED_TEST_SUITE(SixteenBits, Types);

TYPED_TEST(SixteenBits, EveryValueRoundTrips) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = from_bits<TypeParam>(bits);
    const TypeParam back(value);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(static_cast<float>(back)));
      continue;
    }
    ASSERT_EQ(back.bits, bits) << value;
  }
}

TYPED_TEST(SixteenBits, RandomBitPatternsRoundToNearestEven) {
  const Philox random{11};
  for (std::uint64_t i = 0; i < 500000; ++i) {
    const auto x = std::bit_cast<float>(random(i).w[0]);
    if (!std::isnan(x)) expect_rounds<TypeParam>(x, TestFixture::format);
  }
}

// Exponents from below the smallest subnormal to above the largest number.
TYPED_TEST(SixteenBits, EveryExponentRoundsToNearestEven) {
  const Philox random{12};
  const Format& format = TestFixture::format;
  const int low = std::max(format.min_exponent - format.mantissa_bits - 3, -149), high = std::ilogb(format.largest) + 1;
  for (int exponent = low; exponent <= std::min(high, 127); ++exponent)
    for (std::uint64_t i = 0; i < 2000; ++i) {
      const float significand = 1.0f + Philox::to_unit(random(i).w[static_cast<std::size_t>(exponent) % 4]);
      const float x = std::ldexp(significand, exponent);
      expect_rounds<TypeParam>(x, format);
      expect_rounds<TypeParam>(-x, format);
    }
}

// Half way between neighbours, and one float to either side.
TYPED_TEST(SixteenBits, TiesGoToEven) {
  const std::uint32_t infinity = TypeParam(std::numeric_limits<float>::infinity()).bits;
  for (std::uint32_t bits = 0; bits + 1 < infinity; ++bits) {
    const float a = from_bits<TypeParam>(bits), b = from_bits<TypeParam>(bits + 1);
    const float middle = a + (b - a) / 2;
    const std::uint32_t even = bits % 2 == 0 ? bits : bits + 1;
    ASSERT_EQ(TypeParam(middle).bits, even) << std::hexfloat << middle;
    ASSERT_EQ(TypeParam(std::nextafter(middle, 0.0f)).bits, middle > 0 ? bits : even) << std::hexfloat << middle;
    ASSERT_EQ(TypeParam(std::nextafter(middle, std::numeric_limits<float>::infinity())).bits, bits + 1)
        << std::hexfloat << middle;
  }
}

TYPED_TEST(SixteenBits, OverflowGivesInfinityAndNanStaysNan) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(static_cast<float>(TypeParam(infinity)), infinity);
  EXPECT_EQ(static_cast<float>(TypeParam(-infinity)), -infinity);
  EXPECT_EQ(static_cast<float>(TypeParam(std::numeric_limits<float>::max())), infinity);
  for (const std::uint32_t bits : {0x7fc00000u, 0xffc00000u, 0x7f800001u, 0x7fffffffu, 0xff801000u}) {
    const float nan = std::bit_cast<float>(bits);
    const float back = TypeParam(nan);
    EXPECT_TRUE(std::isnan(back)) << std::hex << bits;
    EXPECT_EQ(std::signbit(back), std::signbit(nan)) << std::hex << bits;
  }
}

TEST(Half, NamedValues) {
  EXPECT_EQ(float16(1.0f).bits, 0x3c00);
  EXPECT_EQ(float16(-2.0f).bits, 0xc000);
  EXPECT_EQ(float16(65504.0f).bits, 0x7bff);
  EXPECT_EQ(float16(65519.996f).bits, 0x7bff);  // below the middle to the next power of two
  EXPECT_EQ(float16(65520.0f).bits, 0x7c00);    // the middle: to even, which is infinity
  EXPECT_EQ(float16(0x1.0p-24f).bits, 0x0001);  // the smallest subnormal
  EXPECT_EQ(float16(0x1.0p-25f).bits, 0x0000);  // half of it: to even
  EXPECT_EQ(float16(0x1.8p-25f).bits, 0x0001);
  EXPECT_EQ(float16(0x1.0p-14f).bits, 0x0400);  // the smallest normal number
  EXPECT_EQ(float16(-0.0f).bits, 0x8000);
  EXPECT_EQ(static_cast<float>(from_bits<float16>(0x3555)), 0x1.554p-2f);
}

TEST(Bfloat16, NamedValues) {
  EXPECT_EQ(bfloat16(1.0f).bits, 0x3f80);
  EXPECT_EQ(bfloat16(0x1.01p0f).bits, 0x3f80);  // a tie: to even
  EXPECT_EQ(bfloat16(0x1.03p0f).bits, 0x3f82);
  EXPECT_EQ(bfloat16(-0.0f).bits, 0x8000);
  EXPECT_EQ(static_cast<float>(from_bits<bfloat16>(0x4049)), 3.140625f);
}

TEST(DType, NamesAndSizes) {
  for (const DType dtype : {DType::float32, DType::float16, DType::bfloat16}) {
    EXPECT_EQ(dtype_from_name(name_of(dtype)), dtype);
    dispatch_dtype(dtype, [&](auto element) {
      EXPECT_EQ(dtype_of<decltype(element)>, dtype);
      EXPECT_EQ(sizeof element, size_of(dtype));
    });
  }
  EXPECT_EQ(name_of(DType::bfloat16), "bfloat16");
  EXPECT_EQ(testing::message_of<InvalidArgument>([] { dtype_from_name("int8"); }),
            "dtype: got int8, expected float32, float16 or bfloat16");
}

}  // namespace
}  // namespace halftone
