#include "halftone/core/tensor.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/messages.hpp"
#include "support/random.hpp"

namespace halftone {
namespace {

using testing::message_of;
using testing::random_tensor;

TEST(Tensor, StridesAndViewsAreRowMajor) {
  const HostTensor tensor = random_tensor(DType::float32, {2, 3, 4, 5}, 1);
  EXPECT_EQ(tensor.size(), 120);
  EXPECT_EQ(tensor.strides().batch, 60);
  EXPECT_EQ(tensor.strides().head, 20);
  EXPECT_EQ(tensor.strides().seq, 5);
  EXPECT_EQ(&tensor.view<float>()(1, 2, 3, 4), static_cast<float*>(tensor.data()) + 119);
  EXPECT_EQ(message_of<InvalidArgument>([&] { tensor.view<float16>(); }),
            "tensor dtype: got float32, expected float16");
  EXPECT_TRUE(HostTensor().empty());
}

TEST(Tensor, ConvertsElementByElement) {
  const HostTensor exact = random_tensor(DType::float32, {1, 2, 3, 4}, 2);
  for (const DType dtype : {DType::float16, DType::bfloat16}) {
    const HostTensor rounded = convert(exact, dtype), widened = convert(rounded, DType::float32);
    EXPECT_EQ(rounded.dtype, dtype);
    EXPECT_EQ(rounded.shape, exact.shape);
    const double unit = dtype == DType::float16 ? 0x1.0p-11 : 0x1.0p-8;  // relative rounding error of normal numbers
    for (std::int64_t i = 0; i < exact.size(); ++i) {
      const double x = static_cast<float*>(exact.data())[i];
      EXPECT_NEAR(static_cast<float*>(widened.data())[i], x, unit * std::abs(x));
    }
  }
  EXPECT_EQ(convert(exact, DType::float32).data(), exact.data());
}

TEST(Tensor, DeviceRoundTrip) {
  const HostTensor tensor = random_tensor(DType::bfloat16, {1, 2, 3, 4}, 3), back = to_host(to_device(tensor));
  ASSERT_EQ(back.shape, tensor.shape);
  ASSERT_EQ(back.dtype, tensor.dtype);
  EXPECT_EQ(std::memcmp(back.data(), tensor.data(), 48), 0);
}

TEST(CheckFinite, AcceptsFiniteNumbers) {
  for (const DType dtype : {DType::float32, DType::float16, DType::bfloat16})
    EXPECT_NO_THROW(check_finite(random_tensor(dtype, {1, 2, 3, 4}, 4), "q"));
  EXPECT_NO_THROW(check_finite(HostTensor(), "q"));
}

TEST(CheckFinite, NamesTheFirstPosition) {
  for (const DType dtype : {DType::float32, DType::float16, DType::bfloat16}) {
    const HostTensor tensor = random_tensor(dtype, {2, 3, 4, 5}, 5);
    dispatch_dtype(dtype, [&](auto element) {
      auto* values = static_cast<decltype(element)*>(tensor.data());
      values[1 * 60 + 2 * 20 + 3 * 5 + 4] = decltype(element)(-std::numeric_limits<float>::infinity());
      EXPECT_EQ(message_of<InvalidArgument>([&] { check_finite(tensor, "layer 3 k"); }),
                "layer 3 k at batch 1, head 2, position 3, dim 4: got -inf, expected finite numbers");
      values[1 * 20 + 2 * 5 + 3] = decltype(element)(std::numeric_limits<float>::quiet_NaN());
      EXPECT_EQ(message_of<InvalidArgument>([&] { check_finite(tensor, "q"); }),
                "q at batch 0, head 1, position 2, dim 3: got nan, expected finite numbers");
    });
  }
}

}  // namespace
}  // namespace halftone
