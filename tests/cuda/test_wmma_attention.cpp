// The mma.sync kernel: the common tests, and what it refuses.
#include "cuda/attention_suite.hpp"
#include "halftone/cuda_specialized/wmma/forward.hpp"

namespace halftone::testing {
namespace {

constexpr CudaPath kPath{cuda::wmma::refusal, cuda::wmma::workspace_bytes, cuda::wmma::forward};

// Those of head dim 64 also with 128, so that all kernels meet all cases.
std::vector<ProblemShape> served_shapes() {
  std::vector<ProblemShape> out;
  for (ProblemShape shape : edge_case_shapes()) {
    if (shape.dim > 128 || shape.block_q % 64) continue;
    out.push_back(shape);
    if (shape.dim != 64) continue;
    shape.dim = 128;
    shape.name += "_wide";
    out.push_back(shape);
  }
  ProblemShape shape;
  shape.name = "landmarks_tile_64";
  shape.mask = MaskHeads::per_head;
  shape.landmarks = true;
  shape.block_q = 64;
  shape.len_q = shape.len_k = {300};
  out.push_back(shape);
  shape.name = "landmarks_tile_64_wide";
  shape.dim = 128;
  out.push_back(shape);
  return out;
}

INSTANTIATE_TEST_SUITE_P(Wmma, CudaAttention, CudaAttention::cases(kPath, served_shapes()), CudaAttention::name);

TEST(WmmaRefusal, SaysWhy) {
  using ::testing::HasSubstr;
  expect_common_refusals(kPath, 128);
  const std::int64_t rows[2] = {0, 0};
  EXPECT_THAT(refusal_after(kPath, [&](auto& p) { p.mask.row_ptr = rows; p.mask.block_q = 100; p.mask.block_k = 64; }),
              HasSubstr("mask blocks of 100 x 64; it takes multiples of 64 x 64"));
  EXPECT_THAT(refusal_after(kPath, [](auto& p) { p.landmarks.key = p.k; p.landmarks.block_q = 32; }),
              HasSubstr("landmark tiles of 32 queries"));
  EXPECT_THAT(refusal_after(kPath,
                            [](auto& p) {
                              p.landmarks.key = static_cast<const std::uint16_t*>(p.k) + 4;
                              p.landmarks.block_q = 128;
                            }),
              HasSubstr("landmarks.key is not aligned to 16 bytes"));
  EXPECT_THAT(refusal_after(kPath, [](auto& p) { p.seq_k = (1 << 28) + 1; }), HasSubstr("more than 2^28"));
}

}  // namespace
}  // namespace halftone::testing
