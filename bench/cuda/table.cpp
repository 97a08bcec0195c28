#include "table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <regex>

#include "../harness.hpp"
#include "baseline.hpp"
#include "halftone/core/error.hpp"
#include "masks.hpp"
#include "problem.hpp"
#include "results.hpp"

namespace halftone::bench {
namespace {

struct SparseTarget {
  std::string name;
  double density;  ///< of even and uneven masks
  const MaskArrays* given = nullptr;
};

/// Rows that share their dense measurements.
struct Target {
  Shape shape;
  bool causal;
  std::vector<SparseTarget> masks;
  std::future<std::unique_ptr<CudnnBaseline>> baseline;
};

std::vector<Target> targets_of(const Options& options, const std::vector<NamedMask>& given) {
  std::vector<Target> targets;
  const std::regex wanted(options.filter);
  const auto add = [&](Shape shape, bool causal, std::vector<SparseTarget> masks) {
    const std::string row = fmt::format("dim{} {} {}", shape.dim, causal ? "causal" : "full", shape.seq);
    if (std::regex_search(row, wanted)) targets.push_back({shape, causal, std::move(masks), {}});
  };
  for (const int dim : {128, 64}) {
    const auto shape = [&](std::int64_t seq) { return Shape::of_paper(DType::bfloat16, dim, seq); };
    for (const bool causal : {false, true}) {
      add(shape(4096), causal, {{"even", 0.50}});
      add(shape(8192), causal, {{"even", 0.25}});
      add(shape(16384), causal, {{"even", 0.10}, {"uneven", 0.10}});
    }
    add(shape(32768), true, {{"even", 0.10}});
    add(shape(65536), true, {{"even", 0.05}});
    for (const NamedMask& mask : given) {
      Shape own = shape(mask.mask.seq());
      own.heads = mask.mask.sizes.heads;
      add(own, mask.mask.causal, {{mask.name, 0.0, &mask.mask}});
    }
  }
  return targets;
}

MaskArrays mask_of(const SparseTarget& target, const Target& of) {
  if (target.given) return *target.given;
  MaskGeometry geometry;
  geometry.batch = of.shape.batch;
  geometry.heads = of.shape.heads;
  geometry.seq_q = geometry.seq_k = of.shape.seq;
  geometry.causal = of.causal;
  return target.name == "even" ? even_mask(geometry, target.density) : uneven_mask(geometry, target.density);
}

class Table {
 public:
  explicit Table(const Options& options) : options_(options), kernel_(gpu_kernel(options.kernel)) {}

  int run() {
    std::vector<NamedMask> given;
    if (!options_.mask_file.empty()) given = masks_of_file(options_.mask_file);
    std::vector<Target> targets = targets_of(options_, given);
    if (targets.empty()) throw InvalidArgument("--halftone_rows", options_.filter, "a pattern that some row matches");
    const std::string missing = CudnnAttention::unavailable();
    fmt::print(
        "{}; kernel {}, bfloat16, L2 flushed, median of {}; {}\n", device_name(), kernel_.name, options_.samples,
        missing.empty() ? "cuDNN " + CudnnAttention::version() : missing + ": baseline is the kernel's own dense mode");
    if (missing.empty()) plan(targets);
    print_header();
    for (Target& target : targets) {
      try {
        measure(target);
      } catch (const Error& error) {
        fmt::print("dim{} {} {}: {}\n", target.shape.dim, target.causal ? "causal" : "full", target.shape.seq,
                   error.what());
        failed_ = true;
      }
    }
    return failed_ ? 1 : 0;
  }

 private:
  /// All of cuDNN's plans before any timing: compiling them is the host's work, in parallel.
  void plan(std::vector<Target>& targets) const {
    const auto start = std::chrono::steady_clock::now();
    for (Target& target : targets)
      target.baseline = std::async(std::launch::async, [&target, plans = options_.plans] {
        return std::make_unique<CudnnBaseline>(target.shape, target.causal, plans);
      });
    for (Target& target : targets) target.baseline.wait();
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    fmt::print("cuDNN plans built in {:.1f} s\n", spent.count());
  }

  void expect(const Target& target, const char* what, double error) {
    if (error <= tolerance(target.shape.dtype)) return;
    fmt::print("WRONG: {} is off by {:.2e}, at most {:.0e} expected:\n", what, error, tolerance(target.shape.dtype));
    failed_ = true;
  }

  /// Tunes cuDNN and compares it with the kernel's own dense output; null when there is no cuDNN that runs.
  std::unique_ptr<CudnnBaseline> baseline_of(Target& target) {
    if (!target.baseline.valid()) return nullptr;
    try {
      auto baseline = target.baseline.get();
      baseline->tune(*problem_, timer_);
      AttentionParams same = baseline->params();
      const double error = error_of(same, std::ref(*baseline), timer_.stream());
      same.o = problem_->request(target.causal).o;
      BoundKernel(kernel_, same)(timer_.stream());
      expect(target, "cuDNN against naive attention", error);
      expect(target, "cuDNN against the kernel's dense mode",
             distance(same, problem_->other_output(), same.o, timer_.stream()));
      return baseline;
    } catch (const Error& error) {
      fmt::print("no cuDNN for the next rows: {}\n", error.what());
      failed_ = true;
      return nullptr;
    }
  }

  void measure(Target& target) {
    if (!problem_ || !(problem_->shape() == target.shape)) {
      problem_.reset();
      problem_ = std::make_unique<Problem>(target.shape, timer_.stream());
    }
    ResultRow row;
    row.shape = target.shape;
    row.causal = target.causal;
    row.kernel = kernel_.name;
    row.dense_pairs = dense_pairs(target.causal, target.shape.seq, target.shape.batch, target.shape.heads);

    const auto baseline = baseline_of(target);
    if (baseline) row.baseline = baseline->name();
    const BoundKernel dense(kernel_, problem_->request(target.causal));
    row.worst_error = error_of(dense.params(), std::cref(dense), timer_.stream());
    expect(target, "the dense mode", row.worst_error);
    const double dense_error = row.worst_error;

    std::vector<Launch> launches{std::cref(dense)};
    if (baseline) launches.push_back(std::ref(*baseline));
    std::vector<DeviceMask> masks;
    std::vector<BoundKernel> sparse;
    std::vector<double> densities, pairs, errors;
    masks.reserve(target.masks.size());
    sparse.reserve(target.masks.size());
    for (const SparseTarget& spec : target.masks) {
      const MaskArrays arrays = mask_of(spec, target);
      densities.push_back(arrays.density());
      pairs.push_back(arrays.pairs(target.shape.seq, target.shape.batch, target.shape.heads));
      AttentionParams request = problem_->request(target.causal);
      request.mask = masks.emplace_back(arrays).view();
      const BoundKernel& bound = sparse.emplace_back(kernel_, request);
      errors.push_back(error_of(request, std::cref(bound), timer_.stream()));
      expect(target, spec.name.c_str(), errors.back());
      launches.push_back(std::cref(bound));
    }
    const auto times = timer_.take_turns(launches, options_.samples, true);
    row.dense = median(times[0]);
    if (baseline) row.cudnn = median(times[1]);
    for (std::size_t i = 0; i < sparse.size(); ++i) {
      row.mask = target.masks[i].name;
      row.kept_pairs = pairs[i];
      row.density = densities[i];
      row.sparse = median(times[launches.size() - sparse.size() + i]);
      row.worst_error = std::max(dense_error, errors[i]);
      print(row);
    }
  }

  Options options_;
  const KernelEntry& kernel_;
  Timer timer_;
  std::unique_ptr<Problem> problem_;
  bool failed_ = false;
};

}  // namespace

int run_table(const Options& options) {
  const Kokkos::ScopeGuard guard;  // for the masks of a file
  return Table(options).run();
}

}  // namespace halftone::bench
