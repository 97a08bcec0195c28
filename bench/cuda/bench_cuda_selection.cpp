// The halftone selection on the GPU, stage by stage, against the attention it makes sparse. Counters are medians in
// microseconds: of each stage (the difference between the call with and without it), of the whole selection, of the
// attention alone with the list it made; the benchmark's own time is selection and attention together. L2 is flushed
// before each timed call.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../harness.hpp"
#include "device.hpp"
#include "device_data.hpp"
#include "halftone/core/error.hpp"
#include "halftone/cuda_specialized/common/check.hpp"
#include "halftone/cuda_specialized/common/request.hpp"
#include "halftone/cuda_specialized/selection/plan.hpp"
#include "halftone/cuda_specialized/sm90/forward.hpp"

namespace halftone::bench {
namespace {

using namespace cuda::selection;

constexpr int kRepetitions = 20;

struct Config {
  std::int64_t seq;
  int permille, micro_block, representatives, heads_q, heads_kv, dim;
};

/// One causal bfloat16 sequence, its selection, and the attention with it.
class Case {
 public:
  explicit Case(const Config& c, cudaStream_t stream) {
    const std::int64_t count_q = c.seq * c.heads_q * c.dim, count_k = c.seq * c.heads_kv * c.dim;
    for (const std::int64_t count : {count_q, count_k, count_k, count_q}) {
      buffers_.emplace_back(static_cast<std::size_t>(count) * 2);
      fill_normal(buffers_.back().get(), count, DType::bfloat16, buffers_.size(), stream);
    }
    params.q = buffers_[0].get();
    params.k = buffers_[1].get();
    params.v = buffers_[2].get();
    params.o = buffers_[3].get();
    params.q_stride = params.o_stride = {count_q, c.seq * c.dim, c.dim};
    params.k_stride = params.v_stride = {count_k, c.seq * c.dim, c.dim};
    params.seq_q = params.seq_k = c.seq;
    params.batch = 1;
    params.heads_q = c.heads_q;
    params.heads_kv = c.heads_kv;
    params.dim = c.dim;
    params.scale = 1.0f / std::sqrt(static_cast<float>(c.dim));
    params.dtype = DType::bfloat16;
    params.causal = true;
    options.micro_block = c.micro_block;
    options.representatives = c.representatives;
    options.density = c.permille / 1000.0;
    options.sink_blocks = options.local_blocks = 1;
    validate(params, options);
    for (const std::string& reason : {refusal(params, options), cuda::sm90::refusal(params)})
      if (!reason.empty()) throw Unsupported(reason);
    selection_bytes_ = workspace_bytes(params, options);
    selection_space_ = DeviceBuffer(selection_bytes_);
    attention = params;
    attention.mask = select(params, options, selection_space_.get(), stream).mask;
    attention_space_ = DeviceBuffer(cuda::sm90::workspace_bytes(attention));
    plan = make_plan(params, options, selection_space_.get(), cuda::device_attribute(cudaDevAttrMultiProcessorCount),
                     nullptr);
    HALFTONE_CUDA_CHECK(cudaStreamSynchronize(stream));
  }

  void selection(cudaStream_t stream) const { select(params, options, selection_space_.get(), stream); }
  void forward(cudaStream_t stream) const { cuda::sm90::forward(attention, attention_space_.get(), stream); }
  void scores(cudaStream_t stream) const {
    launch_statistics(plan, stream);
    launch_scores(plan, stream);
  }
  SelectionOutcome outcome() const {
    SelectionOutcome result;
    HALFTONE_CUDA_CHECK(cudaMemcpy(&result, &plan.control->outcome, sizeof result, cudaMemcpyDeviceToHost));
    return result;
  }
  double workspace_mib() const { return static_cast<double>(selection_bytes_) / (1024.0 * 1024.0); }

  AttentionParams params, attention;
  SelectionOptions options;
  Plan plan;

 private:
  std::vector<DeviceBuffer> buffers_;
  std::size_t selection_bytes_ = 0;
  DeviceBuffer selection_space_, attention_space_;
};

void measure(benchmark::State& state, const Config& config) {
  Timer timer;
  const Case c(config, timer.stream());
  const std::vector<Launch> launches = {[&](cudaStream_t stream) { launch_statistics(c.plan, stream); },
                                        [&](cudaStream_t stream) { c.scores(stream); },
                                        [&](cudaStream_t stream) {
                                          c.scores(stream);
                                          launch_threshold(c.plan, stream);
                                        },
                                        [&](cudaStream_t stream) { c.selection(stream); },
                                        [&](cudaStream_t stream) { c.forward(stream); },
                                        [&](cudaStream_t stream) {
                                          c.selection(stream);
                                          c.forward(stream);
                                        }};
  timer.take_turns(launches, 2, true);
  const std::vector<std::vector<double>> times = timer.take_turns(launches, kRepetitions, true);
  std::vector<double> us;
  for (const std::vector<double>& samples : times) us.push_back(median(samples) * 1e6);
  for (auto _ : state) state.SetIterationTime(us[5] * 1e-6);
  const SelectionOutcome outcome = c.outcome();
  state.counters["statistics_us"] = us[0];
  state.counters["scores_us"] = us[1] - us[0];
  state.counters["threshold_us"] = us[2] - us[1];
  state.counters["lists_us"] = us[3] - us[2];
  state.counters["selection_us"] = us[3];
  state.counters["attention_us"] = us[4];
  state.counters["share"] = us[3] / us[4];
  state.counters["density"] = static_cast<double>(outcome.kept) / static_cast<double>(outcome.visible);
  state.counters["workspace_mib"] = c.workspace_mib();
  fmt::print(stderr,
             "{:>7} {:>4.1f}% b{:<2} R{:<2} | {:6.1f} {:6.1f} {:6.1f} {:6.1f} = {:7.1f} us | attention {:8.1f} | both "
             "{:8.1f} | {:4.1f}%\n",
             config.seq, config.permille / 10.0, config.micro_block, config.representatives, us[0], us[1] - us[0],
             us[2] - us[1], us[3] - us[2], us[3], us[4], us[5], 100.0 * us[3] / us[4]);
}

void register_all() {
  for (std::int64_t seq = 4096; seq <= 131072; seq *= 2)
    for (const int permille : {50, 100, 250})
      for (const auto& [micro_block, representatives] : {std::pair{8, 16}, {8, 8}, {8, 32}, {16, 16}, {16, 8}}) {
        const Config config{seq, permille, micro_block, representatives, 16, 4, 128};
        if (permille == 50 && seq == 4096) continue;  // the near field alone takes more
        benchmark::RegisterBenchmark("selection", [=](benchmark::State& state) { measure(state, config); })
            ->ArgNames({"seq", "permille", "micro_block", "representatives", "heads_q", "heads_kv", "dim"})
            ->Args({seq, permille, micro_block, representatives, 16, 4, 128})
            ->Iterations(1)
            ->UseManualTime()
            ->Unit(benchmark::kMicrosecond);
      }
}

int main_of(int argc, char** argv) {
  if (const std::string reason = device_refusal(); !reason.empty()) throw Unsupported(reason);
  setenv("HALFTONE_BENCH_RESTARTED", "1", 1);  // the harness restarts for OpenBLAS's sake, which nothing here uses
  return run(argc, argv, register_all);
}

}  // namespace
}  // namespace halftone::bench

int main(int argc, char** argv) {
  try {
    return halftone::bench::main_of(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: error: {}\n", argv[0], error.what());
    return 1;
  }
}
