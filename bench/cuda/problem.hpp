// One attention problem on the device, and the kernels that can be asked to solve it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "device.hpp"
#include "halftone/core/attention_params.hpp"
#include "halftone/core/kernel_registry.hpp"
#include "shape.hpp"

namespace halftone::bench {

/// Order of the dimensions in memory: [batch, head, seq, dim] or [batch, seq, head, dim].
enum class Layout { bhsd, bshd };
std::string_view name_of(Layout layout);

/// Strides, sizes and scale of a dense request; no pointers.
AttentionParams request_of(const Shape& shape, bool causal, Layout layout = Layout::bhsd);

/// Random normal Q, K, V of a shape and two outputs.
class Problem {
 public:
  Problem(const Shape& shape, cudaStream_t stream);

  const Shape& shape() const { return shape_; }
  /// A dense request on these tensors, into the first output.
  AttentionParams request(bool causal, Layout layout = Layout::bhsd) const;
  /// The second output.
  void* other_output() const { return other_.get(); }

 private:
  Shape shape_;
  DeviceBuffer q_, k_, v_, o_, other_;
};

/// Runs the request into an output filled with NaN and compares 64 random queries with naive attention: the largest
/// relative error of a query, in the Euclidean norm; NaN when a number is missing.
double error_of(const AttentionParams& params, const Launch& launch, cudaStream_t stream);

/// Relative distance of two whole outputs of the request's size.
double distance(const AttentionParams& params, const void* output, const void* reference, cudaStream_t stream);

/// What error_of and distance may reach: rounding of 16-bit softmax weights and outputs.
double tolerance(DType dtype);

/// The project's own kernels in this build, the preferred one first.
std::span<const KernelEntry> gpu_kernels();
/// Throws InvalidArgument for a name that is not in gpu_kernels().
const KernelEntry& gpu_kernel(std::string_view name);

/// A kernel bound to a request, with the workspace it needs. Throws Unsupported with the kernel's reason.
class BoundKernel {
 public:
  BoundKernel(const KernelEntry& kernel, const AttentionParams& params);
  void operator()(cudaStream_t stream) const { kernel_->run(params_, workspace_.get(), stream); }
  const AttentionParams& params() const { return params_; }

 private:
  const KernelEntry* kernel_;
  AttentionParams params_;
  DeviceBuffer workspace_;
};

}  // namespace halftone::bench
