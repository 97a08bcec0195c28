#include "cudnn_graph.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <set>

#include "halftone/core/error.hpp"
#include "halftone/cuda_specialized/common/check.hpp"

namespace halftone::bench {
namespace {

using Four = std::array<std::int64_t, 4>;

cudnnDataType_t data_type(DType dtype) { return dtype == DType::float16 ? CUDNN_DATA_HALF : CUDNN_DATA_BFLOAT16; }

Four strides_of(const TensorStrides& s) { return {s.batch, s.head, s.seq, 1}; }

std::string last_message() {
  std::array<char, 1024> message{};
  cudnnGetLastErrorString(message.data(), message.size());
  return message.data();
}

/// Attributes that are lists of descriptors come back into descriptors made beforehand.
std::vector<CudnnDescriptor> read_list(const CudnnDescriptor& from, cudnnBackendAttributeName_t name,
                                       cudnnBackendDescriptorType_t type, std::int64_t most) {
  std::vector<CudnnDescriptor> list;
  std::vector<cudnnBackendDescriptor_t> handles;
  for (std::int64_t i = 0; i < most; ++i) handles.push_back(list.emplace_back(type).get());
  std::int64_t count = 0;
  check_cudnn(cudnnBackendGetAttribute(from.get(), name, CUDNN_TYPE_BACKEND_DESCRIPTOR, most, &count, handles.data()),
              "reading a list of descriptors");
  while (static_cast<std::int64_t>(list.size()) > count) list.pop_back();
  return list;
}

}  // namespace

void check_cudnn(cudnnStatus_t status, const char* what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  throw Error(fmt::format("cuDNN, {}: {}: {}", what, cudnnGetErrorString(status), last_message()));
}

CudnnDescriptor::CudnnDescriptor(cudnnBackendDescriptorType_t type) {
  check_cudnn(cudnnBackendCreateDescriptor(type, &handle_), "creating a descriptor");
}

CudnnDescriptor::~CudnnDescriptor() {
  if (handle_) cudnnBackendDestroyDescriptor(handle_);
}

CudnnDescriptor& CudnnDescriptor::set_raw(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                                          std::int64_t count, const void* values) {
  check_cudnn(cudnnBackendSetAttribute(handle_, name, type, count, values),
              fmt::format("attribute {}", static_cast<int>(name)).c_str());
  return *this;
}

CudnnDescriptor& CudnnDescriptor::finalize(const char* what) {
  check_cudnn(cudnnBackendFinalize(handle_), what);
  return *this;
}

std::int64_t CudnnDescriptor::integer(cudnnBackendAttributeName_t name) const {
  std::int64_t value = 0, count = 0;
  check_cudnn(cudnnBackendGetAttribute(handle_, name, CUDNN_TYPE_INT64, 1, &count, &value),
              fmt::format("reading attribute {}", static_cast<int>(name)).c_str());
  return value;
}

CudnnGraph::CudnnGraph(const AttentionParams& params, CudnnForm form) : form_(form) {
  if (form == CudnnForm::composite)
    describe_composite(params);
  else
    describe_unified(params);
  graph_ = std::make_unique<CudnnDescriptor>(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph_->set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::span(operations_));
  graph_->finalize("the attention graph");
}

std::vector<std::int64_t> CudnnGraph::tensors() const { return bound_; }

CudnnDescriptor& CudnnGraph::tensor(std::int64_t id, std::span<const std::int64_t> dims,
                                    std::span<const std::int64_t> strides, cudnnDataType_t type, bool is_virtual,
                                    bool by_value) {
  if (!is_virtual) bound_.push_back(id);
  auto& t = *parts_.emplace_back(std::make_unique<CudnnDescriptor>(CUDNN_BACKEND_TENSOR_DESCRIPTOR));
  const std::int64_t alignment = by_value ? 4 : 16;
  t.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, id)
      .set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, type)
      .set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, dims)
      .set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, strides)
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, alignment)
      .set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, is_virtual)
      .set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, by_value);
  return t.finalize("a tensor");
}

/// An intermediate [batch, heads, queries, width] that never reaches memory.
CudnnDescriptor& CudnnGraph::virtual_tensor(const AttentionParams& p, std::int64_t width, cudnnDataType_t type) {
  const Four dims{p.batch, p.heads_q, p.seq_q, width};
  const Four strides{p.heads_q * p.seq_q * width, p.seq_q * width, width, 1};
  return tensor(next_virtual_++, dims, strides, type, true, false);
}

CudnnDescriptor& CudnnGraph::scalar(CudnnTensor id) {
  const Four ones{1, 1, 1, 1};
  return tensor(id, ones, ones, CUDNN_DATA_FLOAT, false, true);
}

CudnnDescriptor& CudnnGraph::pointwise(cudnnPointwiseMode_t mode, const CudnnDescriptor& x, const CudnnDescriptor* b,
                                       CudnnDescriptor& y, cudnnDataType_t compute, const CudnnDescriptor* t,
                                       std::int64_t axis) {
  auto& how = *parts_.emplace_back(std::make_unique<CudnnDescriptor>(CUDNN_BACKEND_POINTWISE_DESCRIPTOR));
  how.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, mode)
      .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, compute);
  if (axis >= 0) how.set(CUDNN_ATTR_POINTWISE_AXIS, CUDNN_TYPE_INT64, axis);
  how.finalize("a pointwise mode");
  auto& op = *parts_.emplace_back(std::make_unique<CudnnDescriptor>(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR));
  op.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how).set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
  if (b) op.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b);
  if (t) op.set(CUDNN_ATTR_OPERATION_POINTWISE_TDESC, *t);
  op.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y).finalize("a pointwise operation");
  operations_.push_back(op.get());
  return y;
}

void CudnnGraph::matmul(const CudnnDescriptor& a, const CudnnDescriptor& b, const CudnnDescriptor& c) {
  auto& how = *parts_.emplace_back(std::make_unique<CudnnDescriptor>(CUDNN_BACKEND_MATMUL_DESCRIPTOR));
  how.set(CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT).finalize("a matrix product's type");
  auto& op = *parts_.emplace_back(std::make_unique<CudnnDescriptor>(CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR));
  op.set(CUDNN_ATTR_OPERATION_MATMUL_DESC, how)
      .set(CUDNN_ATTR_OPERATION_MATMUL_ADESC, a)
      .set(CUDNN_ATTR_OPERATION_MATMUL_BDESC, b)
      .set(CUDNN_ATTR_OPERATION_MATMUL_CDESC, c)
      .finalize("a matrix product");
  operations_.push_back(op.get());
}

void CudnnGraph::reduce(cudnnReduceTensorOp_t mode, const CudnnDescriptor& x, const CudnnDescriptor& y) {
  auto& how = *parts_.emplace_back(std::make_unique<CudnnDescriptor>(CUDNN_BACKEND_REDUCTION_DESCRIPTOR));
  how.set(CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, mode)
      .set(CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT)
      .finalize("a reduction's type");
  auto& op = *parts_.emplace_back(std::make_unique<CudnnDescriptor>(CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR));
  op.set(CUDNN_ATTR_OPERATION_REDUCTION_DESC, how)
      .set(CUDNN_ATTR_OPERATION_REDUCTION_XDESC, x)
      .set(CUDNN_ATTR_OPERATION_REDUCTION_YDESC, y)
      .finalize("a reduction");
  operations_.push_back(op.get());
}

void CudnnGraph::describe_composite(const AttentionParams& p) {
  const cudnnDataType_t type = data_type(p.dtype);
  const auto with_strides = [&](CudnnTensor id, Four dims, const TensorStrides& s) -> CudnnDescriptor& {
    return tensor(id, dims, strides_of(s), type, false, false);
  };
  auto& q = with_strides(kTensorQ, {p.batch, p.heads_q, p.seq_q, p.dim}, p.q_stride);
  // K is described transposed.
  const Four k_dims{p.batch, p.heads_kv, p.dim, p.seq_k},
      k_strides{p.k_stride.batch, p.k_stride.head, 1, p.k_stride.seq};
  auto& k = tensor(kTensorK, k_dims, k_strides, type, false, false);
  auto& v = with_strides(kTensorV, {p.batch, p.heads_kv, p.seq_k, p.dim}, p.v_stride);
  auto& o = with_strides(kTensorO, {p.batch, p.heads_q, p.seq_q, p.dim}, p.o_stride);
  const auto scores = [&](cudnnDataType_t of = CUDNN_DATA_FLOAT) -> CudnnDescriptor& {
    return virtual_tensor(p, p.seq_k, of);
  };

  auto& product = scores();
  matmul(q, k, product);
  CudnnDescriptor* s = &pointwise(CUDNN_POINTWISE_MUL, product, &scalar(kTensorScale), scores());
  if (p.causal) {
    auto& row =
        pointwise(CUDNN_POINTWISE_GEN_INDEX, *s, nullptr, scores(CUDNN_DATA_INT32), CUDNN_DATA_FLOAT, nullptr, 2);
    auto& column =
        pointwise(CUDNN_POINTWISE_GEN_INDEX, *s, nullptr, scores(CUDNN_DATA_INT32), CUDNN_DATA_FLOAT, nullptr, 3);
    auto& visible = pointwise(CUDNN_POINTWISE_CMP_GE, row, &column, scores(CUDNN_DATA_BOOLEAN), CUDNN_DATA_BOOLEAN);
    s = &pointwise(CUDNN_POINTWISE_BINARY_SELECT, *s, &scalar(kTensorMinusInfinity), scores(), CUDNN_DATA_FLOAT,
                   &visible);
  }
  auto& largest = virtual_tensor(p, 1, CUDNN_DATA_FLOAT);
  reduce(CUDNN_REDUCE_TENSOR_MAX, *s, largest);
  auto& below = pointwise(CUDNN_POINTWISE_SUB, *s, &largest, scores());
  auto& weights = pointwise(CUDNN_POINTWISE_EXP, below, nullptr, scores());
  auto& sum = virtual_tensor(p, 1, CUDNN_DATA_FLOAT);
  reduce(CUDNN_REDUCE_TENSOR_ADD, weights, sum);
  // The engines recognise attention only with its log-sum-exp described, wanted or not.
  auto& log_sum = pointwise(CUDNN_POINTWISE_LOG, sum, nullptr, virtual_tensor(p, 1, CUDNN_DATA_FLOAT));
  pointwise(CUDNN_POINTWISE_ADD, largest, &log_sum, virtual_tensor(p, 1, CUDNN_DATA_FLOAT));
  auto& softmax = pointwise(CUDNN_POINTWISE_DIV, weights, &sum, scores(type));
  matmul(softmax, v, o);
}

void CudnnGraph::describe_unified(const AttentionParams& p) {
  if (p.causal) throw Unsupported("cuDNN's single attention operation has no causal mask in this version");
  const cudnnDataType_t type = data_type(p.dtype);
  const auto with_strides = [&](CudnnTensor id, std::int64_t heads, std::int64_t seq,
                                const TensorStrides& s) -> CudnnDescriptor& {
    return tensor(id, Four{p.batch, heads, seq, p.dim}, strides_of(s), type, false, false);
  };
  auto& op = *parts_.emplace_back(std::make_unique<CudnnDescriptor>(CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR));
  op.set(CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC, with_strides(kTensorQ, p.heads_q, p.seq_q, p.q_stride))
      .set(CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC, with_strides(kTensorK, p.heads_kv, p.seq_k, p.k_stride))
      .set(CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC, with_strides(kTensorV, p.heads_kv, p.seq_k, p.v_stride))
      .set(CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC, with_strides(kTensorO, p.heads_q, p.seq_q, p.o_stride))
      .set(CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC, scalar(kTensorScale))
      .finalize("the attention operation");
  operations_.push_back(op.get());
}

CudnnDescriptor CudnnGraph::device(const std::string& json) {
  CudnnDescriptor device(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  if (json.empty()) {
    int current = 0;
    HALFTONE_CUDA_CHECK(cudaGetDevice(&current));
    HALFTONE_CUDA_CHECK(cudaSetDevice(current));  // its context on this thread: plans load code into it
    device.set(CUDNN_ATTR_DEVICEPROP_DEVICE_ID, CUDNN_TYPE_INT32, std::int32_t{current});
  } else {
    device.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, std::span(json));
  }
  device.finalize("the device's properties");
  return device;
}

std::vector<CudnnDescriptor> CudnnGraph::engine_configs(const CudnnDescriptor& device) const {
  std::vector<CudnnDescriptor> found;
  std::set<std::string> names;
  std::string refusals;
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_INSTANT, CUDNN_HEUR_MODE_FALLBACK}) {
    CudnnDescriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    try {
      heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, *graph_)
          .set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode)
          .set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device)
          .finalize("its heuristics");
    } catch (const Error& error) {  // a mode that knows nothing of this graph
      refusals += fmt::format("; {}", error.what());
      continue;
    }
    std::int64_t count = 0;
    check_cudnn(cudnnBackendGetAttribute(heuristics.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                         0, &count, nullptr),
                "counting the heuristics' results");
    if (count == 0) continue;
    for (auto& config : read_list(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, count))
      if (names.insert(name(config)).second) found.push_back(std::move(config));
  }
  if (found.empty())
    throw Error("cuDNN proposes no engine; CUDNN_LOGLEVEL_DBG=2 CUDNN_LOGDEST_DBG=stderr makes it say why" + refusals);
  return found;
}

CudnnDescriptor CudnnGraph::plan(const CudnnDescriptor& engine_config, const CudnnDescriptor& device) {
  CudnnDescriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, engine_config)
      .set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device)
      .finalize("an execution plan");
  return plan;
}

std::string CudnnGraph::name(const CudnnDescriptor& engine_config) const {
  const auto engine =
      std::move(read_list(engine_config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR, 1).front());
  std::vector<std::string> knobs;
  for (const auto& choice : read_list(engine_config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES,
                                      CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, CUDNN_KNOB_TYPE_COUNTS)) {
    cudnnBackendKnobType_t type{};
    std::int64_t count = 0;
    check_cudnn(cudnnBackendGetAttribute(choice.get(), CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1,
                                         &count, &type),
                "reading a knob");
    knobs.push_back(fmt::format("{}={}", static_cast<int>(type), choice.integer(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE)));
  }
  return fmt::format("{} engine {}{}{}", form_ == CudnnForm::composite ? "composite" : "unified",
                     engine.integer(CUDNN_ATTR_ENGINE_GLOBAL_INDEX), knobs.empty() ? "" : " ", fmt::join(knobs, " "));
}

}  // namespace halftone::bench
