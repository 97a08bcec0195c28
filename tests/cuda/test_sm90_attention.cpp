// The Hopper kernel: the common tests, and what it refuses.
#include "cuda/attention_suite.hpp"
#include "halftone/cuda_specialized/sm90/forward.hpp"

namespace halftone::testing {
namespace {

constexpr CudaPath kPath{cuda::sm90::refusal, cuda::sm90::workspace_bytes, cuda::sm90::forward};

std::vector<ProblemShape> served_shapes() {
  std::vector<ProblemShape> out;
  for (const ProblemShape& shape : edge_case_shapes())
    if (shape.block_q == 128) out.push_back(shape);
  return out;
}

INSTANTIATE_TEST_SUITE_P(Sm90, CudaAttention, CudaAttention::cases(kPath, served_shapes()), CudaAttention::name);

TEST(Sm90Refusal, SaysWhy) {
  using ::testing::HasSubstr;
  expect_common_refusals(kPath, 256);
  const std::int64_t rows[2] = {0, 0};
  EXPECT_THAT(refusal_after(kPath, [&](auto& p) { p.mask.row_ptr = rows; p.mask.block_q = p.mask.block_k = 64; }),
              HasSubstr("mask blocks of 64 x 64; it takes 128 x 64 and 128 x 128"));
  EXPECT_THAT(refusal_after(kPath, [](auto& p) { p.landmarks.key = p.k; p.landmarks.block_q = 64; }),
              HasSubstr("landmark tiles of 64 queries"));
}

}  // namespace
}  // namespace halftone::testing
