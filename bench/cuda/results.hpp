// What was measured, as one compact table and as a file of kind "bench"; no CUDA.
#pragma once

#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "halftone/core/io/bench_file.hpp"
#include "shape.hpp"

namespace halftone::bench {

/// A sparse measurement beside the dense ones of the same shape; seconds are medians, empty where not measured.
struct ResultRow {
  Shape shape;
  bool causal = false, cold = true;
  std::string kernel, mask;
  double density = 0.0;  ///< kept blocks over visible blocks
  double dense_pairs = 0.0, kept_pairs = 0.0;
  std::optional<double> cudnn, dense, sparse;
  std::optional<double> over_even;  ///< time over that of the even mask of the same density
  double worst_error = 0.0;
  std::string baseline;  ///< cuDNN's plan, or why there is none

  /// The faster of cuDNN and the kernel's own dense mode.
  std::optional<double> best_dense() const;
  std::optional<double> speedup() const;
};

/// 4 dim operations per pair, in 10^12 per second.
double tflops(const Shape& shape, double pairs, double seconds);

void print_header();
void print(const ResultRow& row);

/// One timed kernel on one problem.
struct Measurement {
  Shape shape;
  bool causal = false;
  std::string kernel;                                            ///< "cudnn" or one of the project's
  std::string mask;                                              ///< empty: dense
  double density = 1.0;                                          ///< kept blocks over visible blocks
  double pairs = 0.0;                                            ///< that count; landmarks are none
  std::vector<double> samples;                                   ///< s
  double best_dense = std::numeric_limits<double>::quiet_NaN();  ///< s: median of the fastest dense kernel
  double over_even = std::numeric_limits<double>::quiet_NaN();   ///< as in ResultRow; NaN where there is no such mask
  double error = 0.0;                                            ///< against naive attention
  std::string baseline;                                          ///< as in ResultRow
};

/// One row per measurement, in order, and its samples. The column `name` reads like a benchmark's, so that the rows of
/// one problem can be found the same way.
io::BenchFile bench_file(std::span<const Measurement> measurements, const std::string& device);

}  // namespace halftone::bench
