#include "halftone/kernels/specialized/specialized_attention.hpp"

#include "halftone/core/kokkos_compat.hpp"
#include "halftone/cuda_specialized/common/staging.hpp"
#include "halftone/cuda_specialized/sm90/forward.hpp"
#include "halftone/cuda_specialized/wmma/forward.hpp"

namespace halftone::specialized {
namespace {

constexpr bool kStaged = is_host_space<ExecSpace>;

template <std::size_t (*kWorkspaceBytes)(const AttentionParams&)>
std::size_t workspace_bytes(const AttentionParams& params) {
  return kStaged ? 0 : kWorkspaceBytes(params);  // a staged run has its own, on the device
}

template <std::size_t (*kWorkspaceBytes)(const AttentionParams&), void (*kForward)(const AttentionParams&, void*, void*)>
void run(const AttentionParams& params, void* workspace, void* stream) {
  if (kStaged) cuda::run_staged(params, kWorkspaceBytes, kForward);
  else kForward(params, workspace, stream);
}

}  // namespace

KernelEntry sm90() {
  return {"sm90", "CUDA for Hopper: TMA, wgmma, warp specialisation; float16 and bfloat16", cuda::sm90::refusal,
          workspace_bytes<cuda::sm90::workspace_bytes>, run<cuda::sm90::workspace_bytes, cuda::sm90::forward>};
}

KernelEntry wmma() {
  return {"wmma", "CUDA for sm_80 and up: mma.sync tensor cores; float16 and bfloat16", cuda::wmma::refusal,
          workspace_bytes<cuda::wmma::workspace_bytes>, run<cuda::wmma::workspace_bytes, cuda::wmma::forward>};
}

}  // namespace halftone::specialized
