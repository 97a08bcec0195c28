#include "table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>

#include "../harness.hpp"
#include "baseline.hpp"
#include "device_mask.hpp"
#include "halftone/core/error.hpp"
#include "halftone/core/io/file.hpp"
#include "problem.hpp"
#include "results.hpp"
#include "targets.hpp"

namespace halftone::bench {
namespace {

using Plans = std::future<std::unique_ptr<CudnnBaseline>>;

class Table {
 public:
  explicit Table(const Options& options) : options_(options), kernel_(gpu_kernel(options.kernel)) {}

  int run() {
    if (!options_.hdf5_file.empty()) io::require_writable(options_.hdf5_file);
    std::vector<NamedMask> given;
    if (!options_.mask_file.empty()) given = masks_of_file(options_.mask_file);
    const std::vector<Target> targets = targets_of(options_, given);
    if (targets.empty()) throw InvalidArgument("--halftone_rows", options_.filter, "a pattern that some row matches");
    const std::string missing = CudnnAttention::unavailable();
    fmt::print(
        "{}; kernel {}, bfloat16, L2 flushed, median of {}; {}\n", device_name(), kernel_.name, options_.samples,
        missing.empty() ? "cuDNN " + CudnnAttention::version() : missing + ": baseline is the kernel's own dense mode");
    std::vector<Plans> plans = missing.empty() ? plan(targets) : std::vector<Plans>(targets.size());
    print_header();
    for (std::size_t i = 0; i < targets.size(); ++i) {
      try {
        measure(targets[i], plans[i]);
        save();
      } catch (const Error& error) {
        fmt::print("{}: {}\n", targets[i].name(), error.what());
        failed_ = true;
      }
    }
    return failed_ ? 1 : 0;
  }

 private:
  /// All of cuDNN's plans before any timing: compiling them is the host's work, in parallel.
  std::vector<Plans> plan(const std::vector<Target>& targets) const {
    const auto start = std::chrono::steady_clock::now();
    std::vector<Plans> plans;
    for (const Target& target : targets)
      plans.push_back(std::async(std::launch::async, [&target, most = options_.plans] {
        return std::make_unique<CudnnBaseline>(target.shape, target.causal, most);
      }));
    for (Plans& one : plans) one.wait();
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    fmt::print("cuDNN plans built in {:.1f} s\n", spent.count());
    return plans;
  }

  /// What has been measured so far, so that an interrupted run leaves it too.
  void save() const {
    if (options_.hdf5_file.empty()) return;
    io::write_bench(options_.hdf5_file, bench_file(measured_, device_name()),
                    io::make_provenance(options_.command, 2026));
  }

  void expect(const Target& target, const std::string& what, double error) {
    if (error <= tolerance(target.shape.dtype)) return;
    fmt::print("WRONG: {} is off by {:.2e}, at most {:.0e} expected:\n", what, error, tolerance(target.shape.dtype));
    failed_ = true;
  }

  /// Tunes cuDNN and compares it with the kernel's own dense output, into `call`; null when there is no cuDNN that
  /// runs, which only for grouped heads is no failure.
  std::unique_ptr<CudnnBaseline> baseline_of(const Target& target, Plans& plans, Measurement& call) {
    if (!plans.valid()) {
      call.baseline = "own dense mode: " + CudnnAttention::unavailable();
      return nullptr;
    }
    try {
      auto baseline = plans.get();
      baseline->tune(*problem_, timer_);
      AttentionParams same = baseline->params();
      call.error = error_of(same, std::ref(*baseline), timer_.stream());
      same.o = problem_->request(target.causal).o;
      BoundKernel(kernel_, same)(timer_.stream());
      expect(target, "cuDNN against naive attention", call.error);
      expect(target, "cuDNN against the kernel's dense mode",
             distance(same, problem_->other_output(), same.o, timer_.stream()));
      call.baseline = baseline->name();
      return baseline;
    } catch (const Error& error) {
      fmt::print("no cuDNN for the next rows: {}\n", error.what());
      call.baseline = "own dense mode: no plan of cuDNN runs";
      if (target.shape.heads == target.shape.heads_kv) failed_ = true;
      return nullptr;
    }
  }

  void measure(const Target& target, Plans& plans) {
    if (!problem_ || !(problem_->shape() == target.shape)) {
      problem_.reset();
      problem_ = std::make_unique<Problem>(target.shape, timer_.stream());
    }
    const AttentionParams request = problem_->request(target.causal);
    Measurement call;
    call.shape = target.shape;
    call.causal = target.causal;
    call.kernel = "cudnn";
    call.pairs = dense_pairs(target.causal, target.shape.seq, target.shape.batch, target.shape.heads);

    std::vector<Measurement> calls;
    std::vector<Launch> launches;
    const auto baseline = baseline_of(target, plans, call);
    if (baseline) {
      calls.push_back(call);
      launches.push_back(std::ref(*baseline));
    }
    std::vector<DeviceMask> masks;
    std::vector<DeviceLandmarks> landmarks;
    std::vector<std::unique_ptr<BoundKernel>> kernels;
    const auto add = [&](const AttentionParams& params) {
      const BoundKernel& bound = *kernels.emplace_back(std::make_unique<BoundKernel>(kernel_, params));
      call.error = error_of(params, std::cref(bound), timer_.stream());
      expect(target, call.mask.empty() ? "the dense mode" : call.mask, call.error);
      calls.push_back(call);
      launches.push_back(std::cref(bound));
    };
    call.kernel = kernel_.name;
    add(request);
    for (const SparseTarget& sparse : target.masks) {
      const MaskArrays mask = target.mask(sparse);
      call.mask = sparse.name();
      call.density = mask.density();
      call.pairs = mask.pairs(target.shape.seq, target.shape.batch, target.shape.heads);
      AttentionParams params = request;
      params.mask = masks.emplace_back(mask).view();
      if (sparse.landmarks) params.landmarks = landmarks.emplace_back(request, mask, timer_.stream()).view();
      add(params);
    }
    auto times = timer_.take_turns(launches, options_.samples, true);
    for (std::size_t i = 0; i < calls.size(); ++i) calls[i].samples = std::move(times[i]);
    finish(target, calls);
  }

  /// Compares the calls of one problem - cuDNN if it runs, dense, every mask - prints and keeps them.
  void finish(const Target& target, std::vector<Measurement>& calls) {
    const std::size_t first_mask = calls.size() - target.masks.size();
    ResultRow row;
    row.shape = target.shape;
    row.causal = target.causal;
    row.kernel = kernel_.name;
    row.baseline = calls.front().baseline;
    const Measurement& dense = calls[first_mask - 1];
    row.dense_pairs = dense.pairs;
    row.dense = median(dense.samples);
    if (first_mask == 2) row.cudnn = median(calls.front().samples);
    for (Measurement& call : calls) call.best_dense = *row.best_dense();
    for (std::size_t i = 0; i < target.masks.size(); ++i) {
      Measurement& call = calls[first_mask + i];
      row.mask = call.mask;
      row.kept_pairs = call.pairs;
      row.density = call.density;
      row.sparse = median(call.samples);
      row.worst_error = std::max(dense.error, call.error);
      row.over_even.reset();
      if (const int even = target.even_beside(target.masks[i]); even >= 0) {
        call.over_even = *row.sparse / median(calls[first_mask + static_cast<std::size_t>(even)].samples);
        row.over_even = call.over_even;
      }
      print(row);
    }
    measured_.insert(measured_.end(), calls.begin(), calls.end());
  }

  Options options_;
  const KernelEntry& kernel_;
  Timer timer_;
  std::unique_ptr<Problem> problem_;
  std::vector<Measurement> measured_;
  bool failed_ = false;
};

}  // namespace

int run_table(const Options& options) {
  const Kokkos::ScopeGuard guard;  // for the masks of a file
  return Table(options).run();
}

}  // namespace halftone::bench
