// Selection and attention in one call on raw device pointers: against the portable kernel over the lists it reports.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cuda/cuda_memory.hpp"
#include "halftone/core/error.hpp"
#include "halftone/core/tensor.hpp"
#include "halftone/cuda_specialized/halftone_attention.hpp"
#include "halftone/kernels/portable/portable_attention.hpp"
#include "support/messages.hpp"
#include "support/random.hpp"

namespace halftone {
namespace {

using cuda::selection::SelectionOptions;
using testing::CudaMemory;
using testing::random_tensor;

constexpr int kHeads = 8, kHeadsKv = 2, kDim = 128;
constexpr std::int64_t kSeq = 1500;

// One request in host memory, and the same on the device.
struct Request {
  explicit Request(bool landmarks) {
    HostTensor* host[] = {&q, &k, &v};
    const void* AttentionParams::*pointer[] = {&AttentionParams::q, &AttentionParams::k, &AttentionParams::v};
    for (int i = 0; i < 3; ++i) {
      const std::int64_t heads = i == 0 ? kHeads : kHeadsKv;
      *host[i] = random_tensor(DType::bfloat16, {1, heads, kSeq, kDim}, 20 + i, i == 0 ? 2.0f : 1.0f);
      device.*pointer[i] = memory.upload(host[i]->data(), static_cast<std::size_t>(host[i]->size()) * 2);
    }
    device.q_stride = device.o_stride = q.strides();
    device.k_stride = device.v_stride = k.strides();
    device.batch = 1;
    device.heads_q = kHeads;
    device.heads_kv = kHeadsKv;
    device.dim = kDim;
    device.seq_q = device.seq_k = kSeq;
    device.scale = 1.0f / std::sqrt(static_cast<float>(kDim));
    device.dtype = DType::bfloat16;
    device.causal = true;
    device.o = memory.allocate(output_bytes());
    device.lse = static_cast<float*>(memory.allocate(kHeads * kSeq * sizeof(float)));
    if (landmarks) device.far_mass = static_cast<float*>(memory.allocate(kHeads * kSeq * sizeof(float)));
    options.landmarks = landmarks;
    options.density = 0.5;
    options.micro_block = 16;
  }
  static std::size_t output_bytes() { return kHeads * kSeq * kDim * 2; }
  std::vector<bfloat16> output() {
    std::vector<bfloat16> o(kHeads * kSeq * kDim);
    memory.download(o.data(), device.o, output_bytes());
    return o;
  }
  template <class T>
  T* copy(const T* there, std::size_t count) {
    arrays.emplace_back("array", count * sizeof(T));
    memory.download(arrays.back().data(), there, count * sizeof(T));
    return reinterpret_cast<T*>(arrays.back().data());
  }

  CudaMemory memory;
  HostTensor q, k, v;
  AttentionParams device;
  SelectionOptions options;
  cuda::Workspace workspace;
  std::vector<Kokkos::View<std::byte*, HostSpace>> arrays;
};

class CudaHalftoneAttention : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (!testing::has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  }
};
INSTANTIATE_TEST_SUITE_P(Landmarks, CudaHalftoneAttention, ::testing::Bool());

TEST_P(CudaHalftoneAttention, AttendsToTheBlocksItReports) {
  Request r(GetParam());
  const cuda::HalftoneAttention call = cuda::halftone_attention(r.device, r.options, r.workspace, nullptr);
  const cuda::selection::SelectionOutcome outcome = cuda::selection::fetch_outcome(call.selection, nullptr);
  EXPECT_EQ(call.kernel, "sm90");
  EXPECT_NEAR(static_cast<double>(outcome.kept) / static_cast<double>(outcome.visible), 0.5, 0.01);

  AttentionParams host = r.device;
  host.q = r.q.data();
  host.k = r.k.data();
  host.v = r.v.data();
  std::vector<bfloat16> expected(kHeads * kSeq * kDim);
  host.o = expected.data();
  std::vector<float> lse(kHeads * kSeq), far_mass(kHeads * kSeq);
  host.lse = lse.data();
  host.far_mass = GetParam() ? far_mass.data() : nullptr;
  const BlockMaskView& mask = call.selection.mask;
  const std::size_t rows = static_cast<std::size_t>(mask.heads) * mask.tiles,
                    kept = static_cast<std::size_t>(outcome.kept);
  host.mask = mask;
  host.mask.row_ptr = r.copy(mask.row_ptr, rows + 1);
  host.mask.col_idx = r.copy(mask.col_idx, kept);
  host.mask.kind = r.copy(mask.kind, kept);
  if (GetParam()) {
    const LandmarkView& l = call.selection.landmarks;
    const std::size_t means = static_cast<std::size_t>(kHeadsKv) * l.blocks * kDim;
    host.landmarks = l;
    host.landmarks.key = r.copy(static_cast<const std::uint16_t*>(l.key), means);
    host.landmarks.value = r.copy(static_cast<const std::uint16_t*>(l.value), means);
    host.landmarks.bias = r.copy(l.bias, rows * l.blocks);
  }
  if (!is_host_space<ExecSpace>) GTEST_SKIP() << "in this build Kokkos runs on a GPU, not on these copies";
  portable::attention(ExecSpace{}, host);

  const std::vector<bfloat16> got = r.output();
  double difference = 0.0, size = 0.0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    difference += std::pow(static_cast<float>(got[i]) - static_cast<float>(expected[i]), 2.0);
    size += std::pow(static_cast<float>(expected[i]), 2.0);
  }
  EXPECT_LT(std::sqrt(difference / size), 0.01);
  const float* device_lse = r.copy(r.device.lse, lse.size());
  for (std::size_t i = 0; i < lse.size(); ++i) ASSERT_NEAR(device_lse[i], lse[i], 1e-3 * (1.0 + std::abs(lse[i])));
}

TEST_P(CudaHalftoneAttention, RunsInAGraphOnceItsWorkspaceHasGrown) {
  Request r(GetParam());
  cudaStream_t stream = nullptr;
  HALFTONE_CUDA_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  cuda::halftone_attention(r.device, r.options, r.workspace, stream);
  HALFTONE_CUDA_CHECK(cudaStreamSynchronize(stream));
  const std::vector<bfloat16> first = r.output();
  HALFTONE_CUDA_CHECK(cudaMemset(r.device.o, 0xff, Request::output_bytes()));

  cudaGraph_t graph = nullptr;
  cudaGraphExec_t instance = nullptr;
  HALFTONE_CUDA_CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  cuda::halftone_attention(r.device, r.options, r.workspace, stream);
  HALFTONE_CUDA_CHECK(cudaStreamEndCapture(stream, &graph));
  HALFTONE_CUDA_CHECK(cudaGraphInstantiate(&instance, graph, 0));
  for (int replay = 0; replay < 2; ++replay) HALFTONE_CUDA_CHECK(cudaGraphLaunch(instance, stream));
  HALFTONE_CUDA_CHECK(cudaStreamSynchronize(stream));
  const std::vector<bfloat16> replayed = r.output();
  for (std::size_t i = 0; i < first.size(); ++i) ASSERT_EQ(replayed[i].bits, first[i].bits) << "element " << i;
  cudaGraphExecDestroy(instance);
  cudaGraphDestroy(graph);
  cudaStreamDestroy(stream);
}

TEST(CudaHalftoneAttentionRefusals, NameThePart) {
  alignas(256) static std::uint16_t data[256];
  AttentionParams p;
  p.q = p.k = p.v = p.o = data;
  p.batch = p.heads_q = p.heads_kv = 1;
  p.seq_q = p.seq_k = 128;
  p.dim = 64;
  p.q_stride = p.k_stride = p.v_stride = p.o_stride = {64 * 128, 64 * 128, 64};
  p.scale = 0.125f;
  p.causal = true;
  SelectionOptions options;
  options.tolerance = 0.1;
  cuda::Workspace workspace;
  const auto message = [&] {
    return testing::message_of<Unsupported>([&] { cuda::halftone_attention(p, options, workspace, nullptr); });
  };
  EXPECT_EQ(message(), "selection: float32 tensors; it takes float16 and bfloat16");
  EXPECT_EQ(cuda::halftone_refusal(p, options), message());
  p.mask.row_ptr = reinterpret_cast<const std::int64_t*>(data);
  p.mask.batch = p.mask.heads = p.mask.tiles = 1;
  p.mask.blocks = 2;
  p.mask.block_q = 128;
  p.mask.block_k = 64;
  EXPECT_EQ(testing::message_of<InvalidArgument>([&] { cuda::halftone_attention(p, options, workspace, nullptr); }),
            "mask and landmarks: got given, expected none: the selection makes them");
}

}  // namespace
}  // namespace halftone
