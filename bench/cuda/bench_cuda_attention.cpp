// Attention on the GPU: cuDNN dense, the project's kernels dense and block-sparse. One repetition is one timed call
// (device events, manual time); L2 is flushed before each, or not at all where the argument warm says so.
// The argument dtype is a DType: 1 float16, 2 bfloat16; permille is the density asked for; mask: see kEven and so on.
//   --halftone_hdf5=FILE  the results as a file of kind "bench", with and without the table
//   --halftone_table      only the rows of the performance targets, in a minute (options.hpp has its other flags)
//   --halftone_mask=FILE  also the masks that `halftone mask` made; in the table each beside an even one as dense
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>

#include "../harness.hpp"
#include "baseline.hpp"
#include "device_mask.hpp"
#include "halftone/core/error.hpp"
#include "options.hpp"
#include "problem.hpp"
#include "results.hpp"
#include "table.hpp"

namespace halftone::bench {
namespace {

constexpr int kRepetitions = 20, kWarmUps = 2;
/// Values of the argument mask; kGiven + i: mask i of the file.
constexpr int kEven = 0, kUneven = 1, kEvenLandmarks = 2, kGiven = 3;

/// Where the masks of --halftone_mask and the flags are, for the benchmarks' functions.
struct Session {
  Options options;
  std::vector<NamedMask> given;
};
Session& session() {
  static Session one;
  return one;
}

struct Config {
  std::string kernel;  ///< "cudnn" or one of gpu_kernels()
  bool sparse = false;
  Shape shape;
  bool causal = false, warm = false;
  int permille = 1000, mask = kEven;

  bool operator==(const Config&) const = default;
  /// Rows of one dense problem, by name.
  std::string dense_key() const {
    return fmt::format("{} {} {} {} {} {}", static_cast<int>(shape.dtype), shape.dim, causal, shape.seq, shape.heads,
                       warm);
  }
};

MaskArrays make_mask(const Config& config) {
  if (config.mask >= kGiven) return session().given.at(static_cast<std::size_t>(config.mask - kGiven)).mask;
  MaskGeometry geometry;
  geometry.batch = config.shape.batch;
  geometry.heads = config.shape.heads;
  geometry.seq_q = geometry.seq_k = config.shape.seq;
  geometry.causal = config.causal;
  const double density = config.permille / 1000.0;
  return config.mask == kUneven ? uneven_mask(geometry, density) : even_mask(geometry, density);
}

std::string mask_name(int mask) {
  if (mask >= kGiven) return session().given.at(static_cast<std::size_t>(mask - kGiven)).name;
  return mask == kEven ? "even" : mask == kUneven ? "uneven" : "even + landmarks";
}

/// Everything a configuration needs on the device, checked once, then timed again and again.
class Case {
 public:
  Case(const Config& config, Timer& timer)
      : config_(config), memory_before_(used_memory_mib()), problem_(config.shape, timer.stream()) {
    AttentionParams params = problem_.request(config.causal);
    pairs_ = dense_pairs(config.causal, config.shape.seq, config.shape.batch, config.shape.heads);
    if (config.kernel == "cudnn") {
      baseline_ = std::make_unique<CudnnBaseline>(config.shape, config.causal, session().options.plans);
      baseline_->tune(problem_, timer);
      params = baseline_->params();
      launch_ = std::ref(*baseline_);
      label_ = "cudnn " + baseline_->name();
    } else {
      if (config.sparse) {
        const MaskArrays mask = make_mask(config);
        density_ = mask.density();
        pairs_ = mask.pairs(config.shape.seq, config.shape.batch, config.shape.heads);
        mask_ = std::make_unique<DeviceMask>(mask);
        if (config.mask == kEvenLandmarks) {
          landmarks_ = std::make_unique<DeviceLandmarks>(params, mask, timer.stream());
          params.landmarks = landmarks_->view();
        }
        params.mask = mask_->view();
      }
      kernel_ = std::make_unique<BoundKernel>(gpu_kernel(config.kernel), params);
      launch_ = std::cref(*kernel_);
      label_ = config.kernel;
    }
    memory_mib_ = used_memory_mib() - memory_before_;
    error_ = error_of(params, launch_, timer.stream());
    if (!(error_ <= tolerance(config.shape.dtype)))
      throw Error(
          fmt::format("wrong output: off by {:.2e}, at most {:.0e} expected", error_, tolerance(config.shape.dtype)));
    for (int i = 0; i < kWarmUps; ++i) timer.seconds(launch_, !config.warm);
  }

  const Config& config() const { return config_; }
  const Launch& launch() const { return launch_; }
  const std::string& label() const { return label_; }
  double pairs() const { return pairs_; }
  double density() const { return density_; }
  double memory_mib() const { return memory_mib_; }
  double error() const { return error_; }

 private:
  Config config_;
  double memory_before_, memory_mib_ = 0.0, pairs_ = 0.0, density_ = 1.0, error_ = 0.0;
  Problem problem_;
  std::unique_ptr<CudnnBaseline> baseline_;
  std::unique_ptr<DeviceMask> mask_;
  std::unique_ptr<DeviceLandmarks> landmarks_;
  std::unique_ptr<BoundKernel> kernel_;
  Launch launch_;
  std::string label_;
};

/// Medians so far, in the order of measurement, for speed-ups and the final table.
class Ledger {
 public:
  void add(const Case& c, double seconds) {
    const Config& config = c.config();
    if (rows_.empty() || !(rows_.back().config == config))
      rows_.push_back({config, {}, c.label(), c.pairs(), c.density(), c.error()});
    rows_.back().samples.push_back(seconds);
  }

  /// The dense rows of the same problem, and the sparse one itself; empty without a sparse row of that configuration.
  ResultRow row(const Config& config) const {
    ResultRow out;
    out.shape = config.shape;
    out.causal = config.causal;
    out.cold = !config.warm;
    out.kernel = config.kernel;
    out.mask = config.sparse ? fmt::format("{} {}", config.kernel, mask_name(config.mask)) : "";
    out.dense_pairs = dense_pairs(config.causal, config.shape.seq, config.shape.batch, config.shape.heads);
    for (const Row& row : rows_) {
      if (row.config.dense_key() != config.dense_key()) continue;
      const double seconds = median(row.samples);
      if (row.config.kernel == "cudnn") {
        out.cudnn = seconds;
        out.baseline = row.label;
      } else if (!row.config.sparse && row.config.kernel == config.kernel) {
        out.dense = seconds;
      } else if (row.config == config) {
        out.sparse = seconds;
        out.kept_pairs = row.pairs;
        out.density = row.density;
        out.worst_error = row.error;
      }
    }
    return out;
  }

  void print_table() const {
    if (rows_.empty()) return;
    fmt::print("\n");
    print_header();
    for (const Row& r : rows_)
      if (r.config.sparse || !has_sparse(r.config)) print(row(r.config));
  }

 private:
  struct Row {
    Config config;
    std::vector<double> samples;
    std::string label;
    double pairs, density, error;
  };

  bool has_sparse(const Config& dense) const {
    return std::any_of(rows_.begin(), rows_.end(),
                       [&](const Row& r) { return r.config.sparse && r.config.dense_key() == dense.dense_key(); });
  }

  std::vector<Row> rows_;
};

Ledger& ledger() {
  static Ledger one;
  return one;
}

void measure(benchmark::State& state, const std::string& kernel, bool sparse) {
  static std::unique_ptr<Timer> timer;
  static std::unique_ptr<Case> current;
  Config config;
  config.kernel = kernel;
  config.sparse = sparse;
  config.shape = Shape::of_paper(static_cast<DType>(state.range(0)), static_cast<int>(state.range(1)), state.range(3));
  config.causal = state.range(2);
  config.shape.heads = config.shape.heads_kv = static_cast<int>(state.range(4));
  config.warm = state.range(5);
  if (sparse) {
    config.permille = static_cast<int>(state.range(6));
    config.mask = static_cast<int>(state.range(7));
  }
  try {
    if (!timer) timer = std::make_unique<Timer>();
    if (!current || !(current->config() == config)) {
      current.reset();
      current = std::make_unique<Case>(config, *timer);
    }
    double seconds = 0.0;
    for (auto _ : state) {
      seconds = timer->seconds(current->launch(), !config.warm);
      state.SetIterationTime(seconds);
    }
    ledger().add(*current, seconds);
    const ResultRow row = ledger().row(config);
    state.counters["tflops_kept"] = tflops(config.shape, current->pairs(), seconds);
    state.counters["tflops_dense_equivalent"] = tflops(config.shape, row.dense_pairs, seconds);
    state.counters["tokens_per_s"] = static_cast<double>(config.shape.batch * config.shape.seq) / seconds;
    state.counters["density"] = current->density();
    state.counters["peak_mib"] = current->memory_mib();
    state.counters["error"] = current->error();
    state.counters["causal"] = config.causal;
    state.counters["seq"] = static_cast<double>(config.shape.seq);
    state.counters["dim"] = config.shape.dim;
    if (const auto dense = row.best_dense()) state.counters["speedup_vs_dense"] = *dense / seconds;
    state.SetLabel(current->label());
  } catch (const Error& error) {
    current.reset();
    state.SkipWithError(error.what());
  }
}

using Arguments = std::vector<std::int64_t>;

void add(const std::string& kernel, bool sparse, const Arguments& arguments) {
  std::vector<std::string> names{"dtype", "dim", "causal", "seq", "heads", "warm"};
  if (sparse) names.insert(names.end(), {"permille", "mask"});
  benchmark::RegisterBenchmark((kernel + (sparse ? "_sparse" : "_dense")).c_str(),
                               [=](benchmark::State& state) { measure(state, kernel, sparse); })
      ->ArgNames(names)
      ->Args(arguments)
      ->Iterations(1)
      ->Repetitions(kRepetitions)
      ->DisplayAggregatesOnly()
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond);
}

/// Dense before sparse, so that a sparse row knows what it is compared with.
void add_problem(const Shape& shape, bool causal, bool warm, const std::vector<Arguments>& masks) {
  const Arguments problem{static_cast<std::int64_t>(shape.dtype), shape.dim, causal, shape.seq, shape.heads, warm};
  if (CudnnAttention::unavailable().empty()) add("cudnn", false, problem);
  for (const KernelEntry& kernel : gpu_kernels()) add(std::string(kernel.name), false, problem);
  for (const KernelEntry& kernel : gpu_kernels())
    for (const Arguments& mask : masks) {
      Arguments all = problem;
      all.insert(all.end(), mask.begin(), mask.end());
      add(std::string(kernel.name), true, all);
    }
}

void register_all() {
  if (!session().options.mask_file.empty()) session().given = masks_of_file(session().options.mask_file);
  const std::vector<Arguments> densities{{25, kEven},  {50, kEven},   {100, kEven},  {250, kEven},
                                         {500, kEven}, {1000, kEven}, {100, kUneven}};
  for (const int dim : {64, 128})
    for (const bool causal : {false, true})
      for (std::int64_t seq = 1024; seq <= 131072; seq *= 2) {
        std::vector<Arguments> masks = densities;
        if (causal && (seq == 16384 || seq == 32768)) masks.push_back({100, kEvenLandmarks});
        add_problem(Shape::of_paper(DType::bfloat16, dim, seq), causal, false, masks);
        if (seq == 8192) {
          add_problem(Shape::of_paper(DType::bfloat16, dim, seq), causal, true, {{100, kEven}});
          add_problem(Shape::of_paper(DType::float16, dim, seq), causal, false, {{100, kEven}});
        }
      }
  for (std::size_t i = 0; i < session().given.size(); ++i) {
    const MaskArrays& mask = session().given[i].mask;
    for (const int dim : {64, 128}) {
      Shape shape = Shape::of_paper(DType::bfloat16, dim, mask.seq());
      shape.heads = shape.heads_kv = mask.sizes.heads;
      add_problem(shape, mask.causal, false, {{0, kGiven + static_cast<std::int64_t>(i)}});
    }
  }
}

int main_of(std::vector<char*> arguments) {
  session().options = take_options(arguments);
  const bool only_lists = std::any_of(arguments.begin(), arguments.end(), [](const char* argument) {
    return std::string_view(argument).starts_with("--benchmark_list_tests");
  });
  if (const std::string reason = device_refusal(); !reason.empty() && !only_lists) throw Unsupported(reason);
  if (session().options.table) return run_table(session().options);
  if (const std::string missing = CudnnAttention::unavailable(); !missing.empty())
    fmt::print("{}: baseline is the kernel's own dense mode\n", missing);
  setenv("HALFTONE_BENCH_RESTARTED", "1", 1);  // the harness restarts for OpenBLAS's sake, which nothing here uses
  const int status = run(static_cast<int>(arguments.size()), arguments.data(), register_all);
  ledger().print_table();
  return status;
}

}  // namespace
}  // namespace halftone::bench

int main(int argc, char** argv) {
  try {
    return halftone::bench::main_of({argv, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: error: {}\n", argv[0], error.what());
    return 1;
  }
}
