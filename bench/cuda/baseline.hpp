// The dense baseline: cuDNN in whichever layout and with whichever of its plans is fastest.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cudnn_attention.hpp"
#include "problem.hpp"

namespace halftone::bench {

class CudnnBaseline {
 public:
  /// Builds the plans, up to `most_plans` per layout (0: all), which needs the host only.
  CudnnBaseline(const Shape& shape, bool causal, int most_plans);

  /// Times every plan on the problem and keeps the fastest; its output goes to the problem's second one. A plan that
  /// does not run is left out; throws Error when none does.
  void tune(const Problem& problem, Timer& timer);

  void operator()(cudaStream_t stream) const { best_->attention->run(plan_, stream); }
  /// What the fastest plan works on.
  AttentionParams params() const { return best_->params; }
  std::string name() const;

 private:
  struct Candidate {
    Layout layout;
    std::unique_ptr<CudnnAttention> attention;
    AttentionParams params;
  };

  bool causal_;
  std::vector<Candidate> candidates_;
  DeviceBuffer workspace_;
  const Candidate* best_ = nullptr;
  int plan_ = 0;
};

}  // namespace halftone::bench
