#include "cudnn_attention.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "cudnn_graph.hpp"
#include "halftone/core/error.hpp"

namespace halftone::bench {
namespace {

/// One handle for the program: creating one loads the library's parts.
cudnnHandle_t handle() {
  static const cudnnHandle_t shared = [] {
    cudnnHandle_t made = nullptr;
    check_cudnn(cudnnCreate(&made), "creating a handle");
    return made;
  }();
  return shared;
}

}  // namespace

struct CudnnAttention::Impl {
  struct Plan {
    CudnnDescriptor plan;
    std::string name;
    std::unique_ptr<CudnnDescriptor> tensors;  ///< the variant pack
    std::size_t form;
  };

  std::vector<CudnnGraph> graphs;  ///< one per form
  std::vector<Plan> plans;
  std::string refusals;
  float scale = 1.0f, minus_infinity = -std::numeric_limits<float>::infinity();

  void add_form(const AttentionParams& params, CudnnForm form, std::size_t most) {
    try {
      const CudnnDescriptor device = CudnnGraph::device();
      const CudnnGraph& graph = graphs.emplace_back(params, form);
      for (const CudnnDescriptor& config : graph.engine_configs(device)) {
        if (plans.size() == most) return;
        add_plan(graph, config, device);
      }
    } catch (const Error& error) {
      refusals += fmt::format("; {}", error.what());
    }
  }

  void add_plan(const CudnnGraph& graph, const CudnnDescriptor& config, const CudnnDescriptor& device) {
    const std::string name = graph.name(config);
    try {
      plans.push_back({CudnnGraph::plan(config, device), name, nullptr, graphs.size() - 1});
    } catch (const Error& error) {
      refusals += fmt::format("; {}: {}", name, error.what());
    }
  }
};

std::string CudnnAttention::unavailable() { return ""; }

std::string CudnnAttention::version() {
  const std::size_t v = cudnnGetVersion();
  return fmt::format("{}.{}.{}", v / 10000, v / 100 % 100, v % 100);
}

CudnnAttention::CudnnAttention(const AttentionParams& params, int most_plans) : impl_(std::make_unique<Impl>()) {
  if (params.causal && params.seq_q != params.seq_k)
    throw Unsupported("cuDNN's causal mask is top-left here, which differs when the lengths do");
  impl_->scale = params.scale;
  const std::size_t most =
      most_plans > 0 ? static_cast<std::size_t>(most_plans) : std::numeric_limits<std::size_t>::max();
  impl_->add_form(params, CudnnForm::composite, most);
  const bool every = most_plans <= 0, none = impl_->plans.empty();
  if (!params.causal && (every || none)) impl_->add_form(params, CudnnForm::unified, most);
  if (impl_->plans.empty()) throw Error("cuDNN has no plan for this request" + impl_->refusals);
}

CudnnAttention::~CudnnAttention() = default;

int CudnnAttention::plans() const { return static_cast<int>(impl_->plans.size()); }
std::string CudnnAttention::name(int plan) const { return impl_->plans.at(static_cast<std::size_t>(plan)).name; }

std::size_t CudnnAttention::workspace_bytes() const {
  std::int64_t most = 0;
  for (const auto& p : impl_->plans) most = std::max(most, p.plan.integer(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE));
  return static_cast<std::size_t>(most);
}

void CudnnAttention::bind(const AttentionParams& params, void* workspace) {
  for (auto& p : impl_->plans) {
    std::vector<std::int64_t> ids = impl_->graphs[p.form].tensors();
    std::vector<void*> pointers;
    for (const std::int64_t id : ids) {
      switch (id) {
        case kTensorQ: pointers.push_back(const_cast<void*>(params.q)); break;
        case kTensorK: pointers.push_back(const_cast<void*>(params.k)); break;
        case kTensorV: pointers.push_back(const_cast<void*>(params.v)); break;
        case kTensorO: pointers.push_back(params.o); break;
        case kTensorScale: pointers.push_back(&impl_->scale); break;
        default: pointers.push_back(&impl_->minus_infinity);
      }
    }
    p.tensors = std::make_unique<CudnnDescriptor>(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    p.tensors->set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, std::span(ids))
        .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, std::span(pointers))
        .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace)
        .finalize("binding tensors");
  }
}

void CudnnAttention::run(int plan, cudaStream_t stream) {
  const auto& p = impl_->plans.at(static_cast<std::size_t>(plan));
  check_cudnn(cudnnSetStream(handle(), stream), "setting the stream");
  check_cudnn(cudnnBackendExecute(handle(), p.plan.get(), p.tensors->get()), p.name.c_str());
}

}  // namespace halftone::bench
