// The C library on device memory, which it reaches with a CUDA runtime of its own: against the oracle, and against
// itself.
#include <cuda_runtime.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <tuple>

#include "capi/request_of.hpp"
#include "cuda/cuda_memory.hpp"
#include "support/random.hpp"

namespace halftone::testing {
namespace {

using ::testing::HasSubstr;

void give_workspace(halftone_request& request, CudaMemory& memory, const halftone_block_mask* mask,
                    const halftone_selection* selection) {
  ASSERT_EQ(halftone_workspace_bytes(&request, mask, selection, &request.workspace_bytes), HALFTONE_OK)
      << halftone_last_message();
  if (request.workspace_bytes) request.workspace = memory.allocate(request.workspace_bytes);
}

class CudaCapi : public ::testing::TestWithParam<std::tuple<ProblemShape, DType>> {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  }
};

TEST_P(CudaCapi, MatchesTheReference) {
  const auto& [shape, dtype] = GetParam();
  const Problem problem(shape, dtype, 7);
  CudaMemory memory;
  const Outputs got = problem.run(
      [&](const AttentionParams& p) {
        halftone_request request = request_of(p, 0);
        const halftone_block_mask mask = p.mask.row_ptr ? mask_of(p.mask, 0, 0) : halftone_block_mask{};
        const halftone_block_mask* given = p.mask.row_ptr ? &mask : nullptr;
        give_workspace(request, memory, given, nullptr);
        ASSERT_EQ(halftone_block_sparse_attention(&request, given), HALFTONE_OK) << halftone_last_message();
      },
      memory);
  expect_matches_reference(problem, got, dtype == DType::bfloat16 ? 0x1p-8 : 0x1p-11, 1e-5);
}

std::vector<ProblemShape> served_shapes() {
  std::vector<ProblemShape> shapes = edge_case_shapes();
  std::erase_if(shapes, [](const ProblemShape& shape) { return shape.landmarks || shape.block_q != 128; });
  return shapes;
}
INSTANTIATE_TEST_SUITE_P(Edges, CudaCapi,
                         ::testing::Combine(::testing::ValuesIn(served_shapes()),
                                            ::testing::Values(DType::float16, DType::bfloat16)),
                         [](const auto& test) {
                           return std::get<0>(test.param).name + "_" + std::string(name_of(std::get<1>(test.param)));
                         });

class CudaCapiHalftone : public ::testing::Test {
 protected:
  static constexpr int kHeads = 4, kSeq = 1500, kDim = 128;

  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    const auto upload = [&](std::uint64_t stream) {
      const HostTensor tensor =
          random_tensor(DType::bfloat16, {1, kHeads, kSeq, kDim}, stream, stream == 1 ? 2.0f : 1.0f);
      return memory.upload(tensor.data(), static_cast<std::size_t>(tensor.size()) * 2);
    };
    AttentionParams p;
    p.q = upload(1);
    p.k = upload(2);
    p.v = upload(3);
    p.o = memory.allocate(std::size_t{kHeads} * kSeq * kDim * 2);
    p.lse = static_cast<float*>(memory.allocate(sizeof(float) * kHeads * kSeq));
    p.q_stride = p.k_stride = p.v_stride = p.o_stride = {0, kSeq * kDim, kDim};
    p.batch = 1;
    p.heads_q = p.heads_kv = kHeads;
    p.seq_q = p.seq_k = kSeq;
    p.dim = kDim;
    p.dtype = DType::bfloat16;
    p.causal = true;
    request = request_of(p, 0);
    selection.size = sizeof selection;
    selection.density = 0.5;
  }
  std::vector<float> lse() {
    std::vector<float> values(kHeads * kSeq);
    memory.download(values.data(), request.lse, values.size() * sizeof(float));
    return values;
  }

  CudaMemory memory;
  halftone_request request{};
  halftone_selection selection{};
};

TEST_F(CudaCapiHalftone, AttendsToWhatItSelects) {
  give_workspace(request, memory, nullptr, &selection);
  halftone_selected selected{};
  selected.size = sizeof selected;
  cudaStream_t stream = nullptr;
  HALFTONE_CUDA_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  request.stream = stream;
  ASSERT_EQ(halftone_attention(&request, &selection, &selected), HALFTONE_OK) << halftone_last_message();
  EXPECT_STREQ(halftone_last_kernel(), "sm90");
  const std::vector<float> expected = lse();
  halftone_outcome outcome;
  memory.download(&outcome, selected.outcome, sizeof outcome);
  EXPECT_NEAR(static_cast<double>(outcome.kept) / static_cast<double>(outcome.visible), 0.5, 0.01);
  EXPECT_LT(outcome.forced, outcome.kept);
  EXPECT_EQ(outcome.not_finite, 0u);

  halftone_request again = request;
  HALFTONE_CUDA_CHECK(cudaMemset(again.lse, 0, sizeof(float) * kHeads * kSeq));
  halftone_block_mask mask = selected.mask;
  mask.kept = outcome.kept;
  give_workspace(again, memory, &mask, nullptr);
  ASSERT_EQ(halftone_block_sparse_attention(&again, &mask), HALFTONE_OK) << halftone_last_message();
  EXPECT_EQ(lse(), expected);
  HALFTONE_CUDA_CHECK(cudaStreamDestroy(stream));
}

TEST_F(CudaCapiHalftone, RefusesWithItsReasons) {
  give_workspace(request, memory, nullptr, &selection);
  --request.workspace_bytes;
  EXPECT_EQ(halftone_attention(&request, &selection, nullptr), HALFTONE_INVALID_ARGUMENT);
  EXPECT_THAT(halftone_last_message(), HasSubstr("workspace: got " + std::to_string(request.workspace_bytes)));
  EXPECT_EQ(halftone_block_sparse_attention(&request, nullptr), HALFTONE_OK) << halftone_last_message();
  request.dtype = HALFTONE_FLOAT32;
  EXPECT_EQ(halftone_block_sparse_attention(&request, nullptr), HALFTONE_UNSUPPORTED);
  EXPECT_THAT(halftone_last_message(), HasSubstr("sm90: float32 tensors; it takes float16 and bfloat16"));
  request.kernel = "portable";
  EXPECT_EQ(halftone_block_sparse_attention(&request, nullptr), HALFTONE_INVALID_ARGUMENT);
  EXPECT_STREQ(halftone_last_message(), "kernel: got portable, expected auto, sm90, wmma");
  request.device = 1000;
  EXPECT_EQ(halftone_block_sparse_attention(&request, nullptr), HALFTONE_FAILED);
  EXPECT_THAT(halftone_last_message(), HasSubstr("invalid device ordinal"));
}

}  // namespace
}  // namespace halftone::testing
