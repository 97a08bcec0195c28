// Dense fused attention of cuDNN: the baseline that speed-ups are counted against.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <memory>
#include <string>

#include "halftone/core/attention_params.hpp"

namespace halftone::bench {

/// Plans of cuDNN for one request's shape, strides, element type, scale and causality, best guess first. A causal
/// request needs equal lengths. Not copyable; bind() and run() from one thread at a time.
class CudnnAttention {
 public:
  /// Why there is no cuDNN in this build; empty when there is.
  static std::string unavailable();
  /// Version of the library that runs, "9.19.0".
  static std::string version();

  /// Builds up to `most_plans` plans (0: all that cuDNN proposes, in each form of the request). Takes about half a
  /// second a plan, on any thread. Throws Error with cuDNN's messages when no plan can be built, Unsupported without
  /// cuDNN.
  CudnnAttention(const AttentionParams& params, int most_plans);
  ~CudnnAttention();

  int plans() const;
  std::string name(int plan) const;
  /// Scratch memory that the greediest plan needs.
  std::size_t workspace_bytes() const;
  /// Binds q, k, v, o of `params` and the workspace, all on the device.
  void bind(const AttentionParams& params, void* workspace);
  /// Enqueues the bound request.
  void run(int plan, cudaStream_t stream);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace halftone::bench
