#include "results.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace halftone::bench {
namespace {

std::string number(std::optional<double> value, int digits) {
  return value ? fmt::format("{:.{}f}", *value, digits) : "-";
}

std::optional<double> rate(const ResultRow& row, double pairs, std::optional<double> seconds) {
  if (!seconds) return std::nullopt;
  return tflops(row.shape, pairs, *seconds);
}

constexpr const char* kLine =
    "{:>4} {:>6} {:>6} {:>5}  {:<18} {:>7} | {:>9} {:>8} {:>8} | {:>9} {:>7} | {:>8} {:>7} {:>6} | {:>8}  {}\n";

}  // namespace

std::optional<double> ResultRow::best_dense() const {
  if (cudnn && dense) return std::min(*cudnn, *dense);
  return cudnn ? cudnn : dense;
}

std::optional<double> ResultRow::speedup() const {
  const auto best = best_dense();
  if (!best || !sparse) return std::nullopt;
  return *best / *sparse;
}

double tflops(const Shape& shape, double pairs, double seconds) { return 4.0 * shape.dim * pairs / seconds * 1e-12; }

void print_header() {
  fmt::print(kLine, "dim", "causal", "seq", "batch", "mask", "density", "dense ms", "cuDNN", "own", "sparse ms", "kept",
             "speed-up", "ideal", "share", "error", "cuDNN plan");
  fmt::print(kLine, "", "", "", "", "", "%", "best", "TFLOP/s", "TFLOP/s", "", "TFLOP/s", "", "", "", "", "");
}

void print(const ResultRow& row) {
  const auto milliseconds = [](std::optional<double> s) { return s ? std::optional(*s * 1e3) : std::nullopt; };
  const auto speedup = row.speedup();
  fmt::print(kLine, row.shape.dim, row.causal ? "yes" : "no", row.shape.seq, row.shape.batch,
             row.cold ? row.mask : row.mask + " warm", row.sparse ? fmt::format("{:.2f}", 100.0 * row.density) : "-",
             number(milliseconds(row.best_dense()), 3), number(rate(row, row.dense_pairs, row.cudnn), 0),
             number(rate(row, row.dense_pairs, row.dense), 0), number(milliseconds(row.sparse), 3),
             number(rate(row, row.kept_pairs, row.sparse), 0), number(speedup, 2),
             row.sparse ? fmt::format("{:.2f}", 1.0 / row.density) : "-",
             speedup ? fmt::format("{:.2f}", *speedup * row.density) : "-", fmt::format("{:.1e}", row.worst_error),
             row.baseline);
  std::fflush(stdout);
}

}  // namespace halftone::bench
