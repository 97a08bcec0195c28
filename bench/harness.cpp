#include "harness.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "halftone/core/error.hpp"
#include "halftone/core/io/bench_file.hpp"
#include "halftone/core/io/file.hpp"
#include "halftone/core/kokkos_compat.hpp"

namespace halftone::bench {
namespace {

/// Prints as usual and keeps every repetition.
class Collector : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.error_occurred) failed_ = true;
      if (run.run_type == Run::RT_Iteration && !run.error_occurred) keep(run);
    }
    ConsoleReporter::ReportRuns(runs);
  }

  bool failed() const { return failed_; }

  io::BenchFile file() const {
    io::BenchFile file;
    std::vector<std::string> names, labels;
    std::vector<double> medians;
    std::map<std::string, std::vector<double>> counters;
    for (const Row& row : rows_)
      for (const auto& counter : row.counters) counters[counter.first];
    for (const Row& row : rows_) {
      names.push_back(row.name);
      labels.push_back(row.label);
      medians.push_back(median(row.seconds));
      file.samples.push_back(row.seconds);
      for (auto& [name, column] : counters) {
        const auto found = row.counters.find(name);
        column.push_back(found == row.counters.end() ? std::nan("") : median(found->second));
      }
    }
    file.table.columns.push_back({"name", names, "1", "benchmark"});
    file.table.columns.push_back({"kernel", labels, "1", "what ran"});
    file.table.columns.push_back({"seconds_median", medians, "s", "median over the repetitions of the time of one call"});
    for (const auto& [name, column] : counters)
      file.table.columns.push_back({name, column, unit_of(name), "counter of the benchmark, median over the repetitions"});
    return file;
  }

 private:
  struct Row {
    std::string name, label;
    std::vector<double> seconds;
    std::map<std::string, std::vector<double>> counters;  ///< a value per repetition
  };

  void keep(const Run& run) {
    const std::string name = run.run_name.str();
    auto row = std::find_if(rows_.begin(), rows_.end(), [&](const Row& r) { return r.name == name; });
    if (row == rows_.end()) row = rows_.insert(rows_.end(), {name, run.report_label, {}, {}});
    for (const auto& [counter, value] : run.counters) row->counters[counter].push_back(value.value);
    row->seconds.push_back(run.real_accumulated_time / static_cast<double>(run.iterations));
    // What a busy machine does not blur, for one thread.
    row->counters["cpu_seconds"].push_back(run.cpu_accumulated_time / static_cast<double>(run.iterations));
  }

  static std::string unit_of(const std::string& counter) {
    if (counter.starts_with("gflops")) return "Gflop/s";
    if (counter.starts_with("tflops")) return "Tflop/s";
    if (counter.ends_with("seconds")) return "s";
    return counter.ends_with("mib") ? "MiB" : "1";
  }

  std::vector<Row> rows_;
  bool failed_ = false;
};

void restart_with_blas_settings(char** argv) {
  if (std::getenv("HALFTONE_BENCH_RESTARTED")) return;
  setenv("HALFTONE_BENCH_RESTARTED", "1", 1);
  setenv("OPENBLAS_NUM_THREADS", "1", 0);
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) setenv("OPENBLAS_CORETYPE", "SkylakeX", 0);
#endif
  execv("/proc/self/exe", argv);  // returns only on failure: then go on with the settings as they are
}

std::string value_or(const char* variable, const char* otherwise) {
  const char* value = std::getenv(variable);
  return value ? value : otherwise;
}

}  // namespace

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  return n % 2 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

int run(int argc, char** argv, const std::function<void()>& setup) {
  restart_with_blas_settings(argv);
  std::string command, hdf5;
  std::vector<char*> rest;
  const std::string flag = "--halftone_hdf5=";
  for (int i = 0; i < argc; ++i) {
    command += fmt::format("{}{}", i ? " " : "", argv[i]);
    if (std::string(argv[i]).starts_with(flag)) hdf5 = argv[i] + flag.size();
    else rest.push_back(argv[i]);
  }
  int count = static_cast<int>(rest.size());
  benchmark::Initialize(&count, rest.data());
  if (benchmark::ReportUnrecognizedArguments(count, rest.data())) return 2;

  const Kokkos::ScopeGuard guard;
  const io::Provenance provenance = io::make_provenance(command, 2026);
  benchmark::AddCustomContext("halftone", provenance.software_version);
  benchmark::AddCustomContext("kokkos", provenance.kokkos);
  benchmark::AddCustomContext("compiler", provenance.compiler);
  benchmark::AddCustomContext("openblas", fmt::format("{} threads, core type {}", value_or("OPENBLAS_NUM_THREADS", "default"),
                                                      value_or("OPENBLAS_CORETYPE", "as detected")));
  Collector collector;
  try {
    if (!hdf5.empty()) io::require_writable(hdf5);
    if (setup) setup();
    benchmark::RunSpecifiedBenchmarks(&collector);
    if (!hdf5.empty()) io::write_bench(hdf5, collector.file(), provenance);
  } catch (const Error& error) {
    fmt::print(stderr, "{}: error: {}\n", rest[0], error.what());
    return 1;
  }
  return collector.failed() ? 1 : 0;
}

}  // namespace halftone::bench
