// The tests that every CUDA attention kernel has to pass, to be instantiated by the test program of each:
// against the reference over shapes, element types, masks and every edge case.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <tuple>
#include <vector>

#include "cuda/cuda_memory.hpp"

namespace halftone::testing {

/// The entry points of one kernel.
struct CudaPath {
  std::string (*refusal)(const AttentionParams&);
  std::size_t (*workspace_bytes)(const AttentionParams&);
  void (*forward)(const AttentionParams&, void* workspace, void* stream);
};

class CudaAttention : public ::testing::TestWithParam<std::tuple<CudaPath, ProblemShape, DType>> {
 public:
  static auto cases(const CudaPath& path, const std::vector<ProblemShape>& shapes) {
    return ::testing::Combine(::testing::Values(path), ::testing::ValuesIn(shapes),
                              ::testing::Values(DType::float16, DType::bfloat16));
  }
  static std::string name(const ::testing::TestParamInfo<ParamType>& info) {
    return fmt::format("{}_{}", std::get<1>(info.param).name, name_of(std::get<2>(info.param)));
  }

 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  }

  static Problem problem(std::uint64_t seed) { return {std::get<1>(GetParam()), dtype(), seed}; }
  static DType dtype() { return std::get<2>(GetParam()); }
  static Outputs run(const Problem& problem, cudaStream_t stream = nullptr) {
    const CudaPath& path = std::get<0>(GetParam());
    CudaMemory memory;
    return problem.run(
        [&](const AttentionParams& p) {
          ASSERT_EQ(path.refusal(p), "");
          path.forward(p, memory.allocate(path.workspace_bytes(p)), stream);
        },
        memory);
  }
};

TEST_P(CudaAttention, MatchesReference) {
  // Softmax weights are rounded to 16 bits before the second product, which the oracle does not do.
  const double weight_rounding = dtype() == DType::bfloat16 ? 0x1p-8 : 0x1p-11;
  const Problem requested = problem(7);
  expect_matches_reference(requested, run(requested), weight_rounding, 1e-5);
}

TEST_P(CudaAttention, IsDeterministicAlsoOnAnotherStream) {
  const Problem requested = problem(8);
  cudaStream_t stream = nullptr;
  HALFTONE_CUDA_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  const Outputs first = run(requested), second = run(requested, stream);
  HALFTONE_CUDA_CHECK(cudaStreamDestroy(stream));
  EXPECT_EQ(first.o, second.o);
  EXPECT_EQ(first.lse, second.lse);
  EXPECT_EQ(first.far_mass, second.far_mass);
}

/// Of a request that every kernel serves, with `change` made to it.
template <class Change>
std::string refusal_after(const CudaPath& path, Change change) {
  alignas(16) static std::array<std::uint16_t, 64> data;
  AttentionParams p;
  p.q = p.k = p.v = p.o = data.data();
  p.batch = p.heads_q = p.heads_kv = 1;
  p.seq_q = p.seq_k = 1;
  p.dim = 64;
  p.scale = 1.0f;
  p.dtype = DType::bfloat16;
  p.q_stride = p.k_stride = p.v_stride = p.o_stride = {64, 64, 64};
  change(p);
  return path.refusal(p);
}

/// Refusals that all kernels have in common.
inline void expect_common_refusals(const CudaPath& path, int max_dim) {
  using ::testing::HasSubstr;
  const auto refusal = [&](auto change) { return refusal_after(path, change); };
  EXPECT_THAT(refusal([](auto& p) { p.dtype = DType::float32; }), HasSubstr("float32 tensors"));
  EXPECT_THAT(refusal([](auto& p) { p.dim = 20; }),
              HasSubstr(fmt::format("head dim 20 is not a multiple of 8 up to {}", max_dim)));
  EXPECT_THAT(refusal([&](auto& p) { p.dim = max_dim + 8; }), HasSubstr(fmt::format("head dim {}", max_dim + 8)));
  EXPECT_THAT(refusal([](auto& p) { p.scale = 0.0f; }), HasSubstr("is not positive"));
  EXPECT_THAT(refusal([](auto& p) { p.k = static_cast<const std::uint16_t*>(p.k) + 4; }),
              HasSubstr("k is not aligned to 16 bytes"));
  EXPECT_THAT(refusal([](auto& p) { p.v_stride.seq = 65; }), HasSubstr("v has a stride of 65"));
  EXPECT_THAT(refusal([](auto& p) { p.o_stride.seq = 65; }), HasSubstr("o is not aligned"));
  if (!has_cuda_device()) {
    EXPECT_THAT(refusal([](auto&) {}), HasSubstr("no CUDA device"));
  }
}

}  // namespace halftone::testing
