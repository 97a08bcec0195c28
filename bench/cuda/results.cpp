#include "results.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "../harness.hpp"
#include "masks.hpp"

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
    "{:>4} {:>6} {:>6} {:>5} {:>6}  {:<18} {:>7} | {:>9} {:>8} {:>8} | {:>9} {:>7} {:>6} | {:>8} {:>7} {:>6} | {:>8}  "
    "{}\n";

std::string name_of(const Measurement& m) {
  const std::string problem =
      fmt::format("dtype:{}/dim:{}/causal:{:d}/seq:{}/heads:{}/heads_kv:{}", static_cast<int>(m.shape.dtype),
                  m.shape.dim, m.causal, m.shape.seq, m.shape.heads, m.shape.heads_kv);
  if (m.mask.empty()) return fmt::format("{}_dense/{}", m.kernel, problem);
  return fmt::format("{}_sparse/{}/permille:{:.0f}/mask:{}", m.kernel, problem, 1e3 * m.density, m.mask);
}

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
  fmt::print(kLine, "dim", "causal", "seq", "batch", "heads", "mask", "density", "dense ms", "cuDNN", "own",
             "sparse ms", "kept", "/ even", "speed-up", "ideal", "share", "error", "cuDNN plan");
  fmt::print(kLine, "", "", "", "", "", "", "%", "best", "TFLOP/s", "TFLOP/s", "", "TFLOP/s", "", "", "", "", "", "");
}

void print(const ResultRow& row) {
  const auto milliseconds = [](std::optional<double> s) { return s ? std::optional(*s * 1e3) : std::nullopt; };
  const auto speedup = row.speedup();
  const Shape& shape = row.shape;
  fmt::print(kLine, shape.dim, row.causal ? "yes" : "no", shape.seq, shape.batch,
             shape.heads == shape.heads_kv ? fmt::format("{}", shape.heads)
                                           : fmt::format("{}/{}", shape.heads, shape.heads_kv),
             row.cold ? row.mask : row.mask + " warm", row.sparse ? fmt::format("{:.2f}", 100.0 * row.density) : "-",
             number(milliseconds(row.best_dense()), 3), number(rate(row, row.dense_pairs, row.cudnn), 0),
             number(rate(row, row.dense_pairs, row.dense), 0), number(milliseconds(row.sparse), 3),
             number(rate(row, row.kept_pairs, row.sparse), 0), number(row.over_even, 3), number(speedup, 2),
             row.sparse ? fmt::format("{:.2f}", 1.0 / row.density) : "-",
             speedup ? fmt::format("{:.2f}", *speedup * row.density) : "-", fmt::format("{:.1e}", row.worst_error),
             row.baseline);
  std::fflush(stdout);
}

io::BenchFile bench_file(std::span<const Measurement> measurements, const std::string& device) {
  io::BenchFile file;
  const auto add = [&](const char* name, const char* units, const char* description, const auto& of) {
    std::vector<std::decay_t<decltype(of(measurements[0]))>> values;
    for (const Measurement& m : measurements) values.push_back(of(m));
    file.table.columns.push_back({name, std::move(values), units, description});
  };
  const auto seconds = [](const Measurement& m) { return median(m.samples); };
  const auto whole = [](auto member) {
    return [member](const Measurement& m) { return static_cast<std::int64_t>(m.shape.*member); };
  };
  add("name", "1", "kernel, problem and mask", name_of);
  add("kernel", "1", "what ran", [](const Measurement& m) { return m.kernel; });
  add("mask", "1", "which blocks were kept", [](const Measurement& m) { return m.mask.empty() ? "dense" : m.mask; });
  add("dtype", "1", "element type", [](const Measurement& m) { return std::string(halftone::name_of(m.shape.dtype)); });
  add("dim", "1", "head dim", whole(&Shape::dim));
  add("causal", "1", "1: causal", [](const Measurement& m) { return std::int64_t{m.causal}; });
  add("seq", "1", "tokens of a sequence", whole(&Shape::seq));
  add("batch", "1", "sequences", whole(&Shape::batch));
  add("heads", "1", "query heads", whole(&Shape::heads));
  add("heads_kv", "1", "key and value heads", whole(&Shape::heads_kv));
  add("density", "1", "kept blocks over visible blocks", [](const Measurement& m) { return m.density; });
  add("seconds_median", "s", "median of the samples", seconds);
  add("tflops_kept", "Tflop/s", "on the pairs of kept blocks that count, without landmarks",
      [&](const Measurement& m) { return tflops(m.shape, m.pairs, seconds(m)); });
  add("tflops_dense_equivalent", "Tflop/s", "as if every visible pair had been computed", [&](const Measurement& m) {
    return tflops(m.shape, dense_pairs(m.causal, m.shape.seq, m.shape.batch, m.shape.heads), seconds(m));
  });
  add("tokens_per_s", "1/s", "queries of all sequences per second",
      [&](const Measurement& m) { return static_cast<double>(m.shape.batch * m.shape.seq) / seconds(m); });
  add("speedup", "1", "over the fastest dense kernel of the same problem",
      [&](const Measurement& m) { return m.best_dense / seconds(m); });
  add("over_even", "1", "time over that of the even mask of the same density in the same run; NaN: none",
      [](const Measurement& m) { return m.over_even; });
  add("error", "1", "largest relative error of 64 random queries against naive attention",
      [](const Measurement& m) { return m.error; });
  add("baseline", "1", "cuDNN's fastest plan, or why there is none", [](const Measurement& m) { return m.baseline; });
  add("device", "1", "where it ran", [&](const Measurement&) { return device; });
  for (const Measurement& m : measurements) file.samples.push_back(m.samples);
  return file;
}

}  // namespace halftone::bench
