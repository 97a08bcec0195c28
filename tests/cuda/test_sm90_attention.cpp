// The Hopper kernel against the reference: shapes, element types, masks, and every edge case.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cuda/cuda_memory.hpp"
#include "halftone/cuda_specialized/sm90/forward.hpp"

namespace halftone {
namespace {

using testing::CudaMemory;
using testing::Outputs;
using testing::Problem;
using testing::ProblemShape;

class Sm90Attention : public ::testing::TestWithParam<std::tuple<ProblemShape, DType>> {
 protected:
  void SetUp() override {
    if (!testing::has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  }

  static Outputs run(const Problem& problem, cudaStream_t stream = nullptr) {
    CudaMemory memory;
    return problem.run(
        [&](const AttentionParams& p) {
          ASSERT_EQ(cuda::sm90::refusal(p), "");
          cuda::sm90::forward(p, memory.allocate(cuda::sm90::workspace_bytes(p)), stream);
        },
        memory);
  }
};

// Softmax weights are rounded to 16 bits before the second product, which the oracle does not do.
double weight_rounding(DType dtype) { return dtype == DType::bfloat16 ? 0x1p-8 : 0x1p-11; }

TEST_P(Sm90Attention, MatchesReference) {
  const auto& [shape, dtype] = GetParam();
  const Problem problem(shape, dtype, 7);
  testing::expect_matches_reference(problem, run(problem), weight_rounding(dtype), 1e-5);
}

TEST_P(Sm90Attention, IsDeterministicAlsoOnAnotherStream) {
  const auto& [shape, dtype] = GetParam();
  const Problem problem(shape, dtype, 8);
  cudaStream_t stream = nullptr;
  HALFTONE_CUDA_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  const Outputs first = run(problem), second = run(problem, stream);
  HALFTONE_CUDA_CHECK(cudaStreamDestroy(stream));
  EXPECT_EQ(first.o, second.o);
  EXPECT_EQ(first.lse, second.lse);
  EXPECT_EQ(first.far_mass, second.far_mass);
}

std::vector<ProblemShape> served_shapes() {
  std::vector<ProblemShape> out;
  for (const ProblemShape& shape : testing::edge_case_shapes())
    if (shape.block_q == 128) out.push_back(shape);
  return out;
}

INSTANTIATE_TEST_SUITE_P(Shapes, Sm90Attention,
                         ::testing::Combine(::testing::ValuesIn(served_shapes()),
                                            ::testing::Values(DType::float16, DType::bfloat16)),
                         [](const auto& info) {
                           return fmt::format("{}_{}", std::get<0>(info.param).name, name_of(std::get<1>(info.param)));
                         });

TEST(Sm90Refusal, SaysWhy) {
  alignas(16) static std::uint16_t data[64];
  AttentionParams good;
  good.q = good.k = good.v = good.o = data;
  good.batch = good.heads_q = good.heads_kv = 1;
  good.seq_q = good.seq_k = 1;
  good.dim = 64;
  good.scale = 1.0f;
  good.dtype = DType::bfloat16;
  good.q_stride = good.k_stride = good.v_stride = good.o_stride = {64, 64, 64};
  const auto refusal = [&](auto change) {
    AttentionParams p = good;
    change(p);
    return cuda::sm90::refusal(p);
  };
  using ::testing::HasSubstr;
  EXPECT_THAT(refusal([](auto& p) { p.dtype = DType::float32; }), HasSubstr("float32 tensors"));
  EXPECT_THAT(refusal([](auto& p) { p.dim = 20; }), HasSubstr("head dim 20 is not a multiple of 8 up to 256"));
  EXPECT_THAT(refusal([](auto& p) { p.dim = 264; }), HasSubstr("head dim 264"));
  EXPECT_THAT(refusal([](auto& p) { p.scale = 0.0f; }), HasSubstr("is not positive"));
  EXPECT_THAT(refusal([](auto& p) { p.k = data + 4; }), HasSubstr("k is not aligned to 16 bytes"));
  EXPECT_THAT(refusal([](auto& p) { p.v_stride.seq = 65; }), HasSubstr("v has a stride of 65"));
  EXPECT_THAT(refusal([](auto& p) { p.o_stride.seq = 65; }), HasSubstr("o is not aligned"));
  const std::int64_t rows[2] = {0, 0};
  EXPECT_THAT(refusal([&](auto& p) { p.mask.row_ptr = rows; p.mask.block_q = 64; p.mask.block_k = 64; }),
              HasSubstr("mask blocks of 64 x 64; it takes 128 x 64 and 128 x 128"));
  EXPECT_THAT(refusal([&](auto& p) { p.landmarks.key = data; p.landmarks.block_q = 64; }),
              HasSubstr("landmark tiles of 64 queries"));
  if (!testing::has_cuda_device()) {
    EXPECT_THAT(refusal([](auto&) {}), HasSubstr("no CUDA device"));
  }
}

}  // namespace
}  // namespace halftone
