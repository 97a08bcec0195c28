// What was measured, as one compact table.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "problem.hpp"

namespace halftone::bench {

/// A sparse measurement beside the dense ones of the same shape; seconds are medians, empty where not measured.
struct ResultRow {
  Shape shape;
  bool causal = false, cold = true;
  std::string kernel, mask;
  double density = 0.0;  ///< kept blocks over visible blocks
  double dense_pairs = 0.0, kept_pairs = 0.0;
  std::optional<double> cudnn, dense, sparse;
  double worst_error = 0.0;
  std::string baseline;  ///< cuDNN's plan

  /// The faster of cuDNN and the kernel's own dense mode.
  std::optional<double> best_dense() const;
  std::optional<double> speedup() const;
};

/// 4 dim operations per pair, in 10^12 per second.
double tflops(const Shape& shape, double pairs, double seconds);

void print_header();
void print(const ResultRow& row);

}  // namespace halftone::bench
