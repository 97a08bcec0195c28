#include "baseline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "../harness.hpp"
#include "halftone/core/error.hpp"

namespace halftone::bench {

CudnnBaseline::CudnnBaseline(const Shape& shape, bool causal, int most_plans) : causal_(causal) {
  for (const Layout layout : {Layout::bhsd, Layout::bshd}) {
    const AttentionParams params = request_of(shape, causal, layout);
    candidates_.push_back({layout, std::make_unique<CudnnAttention>(params, most_plans), params});
  }
}

void CudnnBaseline::tune(const Problem& problem, Timer& timer) {
  constexpr int kTrials = 3;
  std::size_t bytes = 0;
  for (const Candidate& c : candidates_) bytes = std::max(bytes, c.attention->workspace_bytes());
  workspace_ = DeviceBuffer(bytes);
  double fastest = std::numeric_limits<double>::infinity();
  std::string refusals;
  for (Candidate& c : candidates_) {
    c.params = problem.request(causal_, c.layout);
    c.params.o = problem.other_output();
    c.attention->bind(c.params, workspace_.get());
    for (int plan = 0; plan < c.attention->plans(); ++plan) {
      try {
        const Launch launch = [&](cudaStream_t stream) { c.attention->run(plan, stream); };
        timer.seconds(launch, true);
        const double seconds = median(timer.take_turns({&launch, 1}, kTrials, true).front());
        if (seconds >= fastest) continue;
        fastest = seconds;
        best_ = &c;
        plan_ = plan;
      } catch (const Error& error) {
        refusals += fmt::format("; {} {}: {}", name_of(c.layout), c.attention->name(plan), error.what());
      }
    }
  }
  if (!best_) throw Error("no cuDNN plan runs" + refusals);
}

std::string CudnnBaseline::name() const {
  return fmt::format("{}, {}", name_of(best_->layout), best_->attention->name(plan_));
}

}  // namespace halftone::bench
