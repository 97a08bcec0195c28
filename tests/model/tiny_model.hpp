// The small model of make_reference.py, and what that script computed with it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "halftone/core/io/file.hpp"
#include "halftone/core/io/model_file.hpp"
#include "halftone/eval/model/llama.hpp"

namespace halftone::testing {

inline io::ModelFile tiny_model_file() { return io::read_model(HALFTONE_TINY_MODEL); }

template <class T = float>
std::vector<T> expected(const std::string& name) {
  return io::FileReader(HALFTONE_TINY_MODEL, "model").root().group("expected").dataset(name).read<T>();
}

/// The 38 tokens whose first 37 the reference ran over.
inline std::vector<std::int32_t> tiny_tokens() { return expected<std::int32_t>("tokens"); }

inline std::vector<float> values_of(const eval::Matrix& matrix) {
  const auto host = Kokkos::create_mirror_view_and_copy(HostSpace{}, matrix);
  return {host.data(), host.data() + host.size()};
}

inline std::vector<float> values_of(const Tensor& tensor) {
  const HostTensor host = convert(to_host(tensor), DType::float32);
  const auto* data = static_cast<const float*>(host.data());
  return {data, data + host.size()};
}

inline eval::Matrix make_matrix(std::size_t rows, std::size_t columns, const std::vector<float>& values) {
  const eval::Matrix matrix("test matrix", rows, columns);
  const auto host = Kokkos::create_mirror_view(matrix);
  std::copy(values.begin(), values.end(), host.data());
  Kokkos::deep_copy(matrix, host);
  return matrix;
}

/// Largest difference, relative to the largest expected value.
inline void expect_close(const std::vector<float>& actual, const std::vector<float>& wanted, double tolerance) {
  ASSERT_EQ(actual.size(), wanted.size());
  double largest = 0.0, worst = 0.0;
  std::size_t where = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(wanted[i])));
    const double error = std::abs(static_cast<double>(actual[i]) - wanted[i]);
    if (!(error <= worst)) {  // also true for NaN
      worst = error;
      where = i;
    }
  }
  EXPECT_LE(worst, tolerance * largest) << "at " << where << ": " << actual[where] << ", expected " << wanted[where];
}

/// What the call throws, or "" when it does not throw InvalidArgument.
template <class Call>
std::string refusal(Call&& call) {
  try {
    call();
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "";
}

}  // namespace halftone::testing
