#include "halftone/core/tensor.hpp"

#include <fmt/format.h>

#include <cmath>

namespace halftone {

HostTensor convert(const HostTensor& tensor, DType dtype) {
  if (tensor.dtype == dtype) return tensor;
  HostTensor result(tensor.bytes.label(), dtype, tensor.shape);
  dispatch_dtype(tensor.dtype, [&](auto from) {
    dispatch_dtype(dtype, [&](auto to) {
      const auto* source = static_cast<const decltype(from)*>(tensor.data());
      auto* target = static_cast<decltype(to)*>(result.data());
      for (std::int64_t i = 0; i < tensor.size(); ++i) target[i] = decltype(to)(static_cast<float>(source[i]));
    });
  });
  return result;
}

void check_finite(const HostTensor& tensor, std::string_view name) {
  dispatch_dtype(tensor.dtype, [&](auto element) {
    const auto* values = static_cast<const decltype(element)*>(tensor.data());
    for (std::int64_t i = 0; i < tensor.size(); ++i) {
      const float value = values[i];
      if (std::isfinite(value)) continue;
      const auto& s = tensor.shape;
      throw InvalidArgument(
          fmt::format("{} at batch {}, head {}, position {}, dim {}", name, i / (s[1] * s[2] * s[3]),
                      i / (s[2] * s[3]) % s[1], i / s[3] % s[2], i % s[3]),
          fmt::format("{}", value), "finite numbers");
    }
  });
}

}  // namespace halftone
