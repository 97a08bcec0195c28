// Arrays of numbers that a test writes down.
#pragma once

#include <algorithm>
#include <vector>

#include "halftone/core/kokkos_compat.hpp"

namespace halftone::testing {

/// On the device.
template <class T = float>
Array<T> to_array(const std::vector<T>& values) {
  const Array<T> array("test array", values.size());
  const auto host = Kokkos::create_mirror_view(array);
  std::copy(values.begin(), values.end(), host.data());
  Kokkos::deep_copy(array, host);
  return array;
}

}  // namespace halftone::testing
