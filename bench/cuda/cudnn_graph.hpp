// Just enough of cuDNN's backend API to describe attention: descriptors that own themselves, and the two graphs.
#pragma once

#include <cudnn.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "halftone/core/attention_params.hpp"

namespace halftone::bench {

/// Throws Error("cuDNN, <what>: <status>: <cuDNN's own message>") unless the call succeeded.
void check_cudnn(cudnnStatus_t status, const char* what);

/// A backend descriptor; throws Error when cuDNN refuses a step.
class CudnnDescriptor {
 public:
  explicit CudnnDescriptor(cudnnBackendDescriptorType_t type);
  ~CudnnDescriptor();
  CudnnDescriptor(CudnnDescriptor&& other) noexcept : handle_(other.handle_) { other.handle_ = nullptr; }
  CudnnDescriptor& operator=(CudnnDescriptor&&) = delete;

  cudnnBackendDescriptor_t get() const { return handle_; }

  template <class T>
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const T& value) {
    return set_raw(name, type, 1, &value);
  }
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, const CudnnDescriptor& value) {
    return set_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value.handle_);
  }
  template <class T>
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::span<T> values) {
    return set_raw(name, type, static_cast<std::int64_t>(values.size()), values.data());
  }
  CudnnDescriptor& finalize(const char* what);

  /// A scalar attribute of a finished descriptor.
  std::int64_t integer(cudnnBackendAttributeName_t name) const;

 private:
  CudnnDescriptor& set_raw(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
                           const void* values);

  cudnnBackendDescriptor_t handle_ = nullptr;
};

/// Tensors of a graph that the caller binds to memory; scale and minus_infinity to one float on the host.
enum CudnnTensor : std::int64_t { kTensorQ = 1, kTensorK, kTensorV, kTensorO, kTensorScale, kTensorMinusInfinity };

/// How attention is put to cuDNN: as its basic operations, which its engines recognise as a whole (what PyTorch does),
/// or as one operation, which in cuDNN 9.19 knows no causal mask.
enum class CudnnForm { composite, unified };

/// An attention forward pass with the shape, strides, element type and causality of a request (its pointers unused).
class CudnnGraph {
 public:
  CudnnGraph(const AttentionParams& params, CudnnForm form);

  /// The device that plans are made for: the current one, or one described by cuDNN's JSON, which need not be there.
  static CudnnDescriptor device(const std::string& json = "");

  /// What cuDNN's heuristics propose for the device, best first, without repetitions. Throws Error when that is
  /// nothing.
  std::vector<CudnnDescriptor> engine_configs(const CudnnDescriptor& device) const;
  static CudnnDescriptor plan(const CudnnDescriptor& engine_config, const CudnnDescriptor& device);
  /// Engine and knobs: "composite engine 5, 24=1 29=128".
  std::string name(const CudnnDescriptor& engine_config) const;

  std::vector<std::int64_t> tensors() const;

 private:
  CudnnDescriptor& tensor(std::int64_t id, std::span<const std::int64_t> dims, std::span<const std::int64_t> strides,
                          cudnnDataType_t type, bool is_virtual, bool by_value);
  CudnnDescriptor& virtual_tensor(const AttentionParams& p, std::int64_t width, cudnnDataType_t type);
  CudnnDescriptor& scalar(CudnnTensor id);
  CudnnDescriptor& pointwise(cudnnPointwiseMode_t mode, const CudnnDescriptor& x, const CudnnDescriptor* b,
                             CudnnDescriptor& y, cudnnDataType_t compute = CUDNN_DATA_FLOAT,
                             const CudnnDescriptor* t = nullptr, std::int64_t axis = -1);
  void matmul(const CudnnDescriptor& a, const CudnnDescriptor& b, const CudnnDescriptor& c);
  void reduce(cudnnReduceTensorOp_t op, const CudnnDescriptor& x, const CudnnDescriptor& y);
  void describe_composite(const AttentionParams& p);
  void describe_unified(const AttentionParams& p);

  CudnnForm form_;
  std::vector<std::unique_ptr<CudnnDescriptor>> parts_;  ///< everything that the graph refers to
  std::vector<cudnnBackendDescriptor_t> operations_;
  std::vector<std::int64_t> bound_;
  std::int64_t next_virtual_ = 100;
  std::unique_ptr<CudnnDescriptor> graph_;
};

}  // namespace halftone::bench
