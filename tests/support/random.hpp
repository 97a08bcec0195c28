// Reproducible random data for tests.
#pragma once

#include <string>

#include "halftone/core/philox.hpp"
#include "halftone/core/tensor.hpp"

namespace halftone::testing {

/// Normal numbers with standard deviation `sigma`, rounded to the element type.
inline HostTensor random_tensor(DType dtype, HostTensor::Shape shape, std::uint64_t stream, float sigma = 1.0f) {
  HostTensor tensor("random", DType::float32, shape);
  const Philox random{2026, stream};
  auto* data = static_cast<float*>(tensor.data());
  for (std::int64_t i = 0; i < tensor.size(); ++i) data[i] = sigma * random.normal(static_cast<std::uint64_t>(i));
  return convert(tensor, dtype);
}

}  // namespace halftone::testing
