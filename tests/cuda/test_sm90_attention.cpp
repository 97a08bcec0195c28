// The Hopper kernel: the common tests, a million keys, and what it refuses.
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

// Eight heads of a million and 64 keys: offsets pass 2^31 bytes. Everything that must not be read is NaN.
class Sm90MillionKeys : public ::testing::Test {
 protected:
  static constexpr std::int64_t kSeq = (1 << 20) + 64, kDim = 128, kHeads = 8;
  static constexpr std::size_t kBytes = kHeads * kSeq * kDim * 2;

  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    for (void** tensor : {&q_, &k_, &v_, &o_}) *tensor = memory_.allocate(kBytes);
    HALFTONE_CUDA_CHECK(cudaMemset(q_, 0, kBytes));  // every key weighs the same
    p_.q = q_;
    p_.k = k_;
    p_.v = v_;
    p_.o = o_;
    p_.batch = 1;
    p_.heads_q = p_.heads_kv = kHeads;
    p_.seq_q = p_.seq_k = kSeq;
    p_.dim = kDim;
    p_.scale = 1.0f;
    p_.dtype = DType::bfloat16;
    p_.causal = true;
    p_.q_stride = p_.k_stride = p_.v_stride = p_.o_stride = {kHeads * kSeq * kDim, kSeq * kDim, kDim};
  }
  void run() {
    ASSERT_EQ(kPath.refusal(p_), "");
    kPath.forward(p_, memory_.allocate(kPath.workspace_bytes(p_)), nullptr);
    HALFTONE_CUDA_CHECK(cudaDeviceSynchronize());
  }
  static std::byte* row(void* tensor, std::int64_t head, std::int64_t i) {
    return static_cast<std::byte*>(tensor) + (head * kSeq + i) * kDim * 2;
  }

  CudaMemory memory_;
  AttentionParams p_;
  void *q_ = nullptr, *k_ = nullptr, *v_ = nullptr, *o_ = nullptr;
};

TEST_F(Sm90MillionKeys, TheLastTileOfTheLastHeadReadsItsBlocksAlone) {
  HALFTONE_CUDA_CHECK(cudaMemset(k_, 0xff, kBytes));
  HALFTONE_CUDA_CHECK(cudaMemset(v_, 0xff, kBytes));
  HALFTONE_CUDA_CHECK(cudaMemset(row(k_, kHeads - 1, kSeq - 64), 0, 64 * kDim * 2));
  std::vector<bfloat16> values(64 * kDim);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = bfloat16(static_cast<float>(i / kDim));  // its row
  HALFTONE_CUDA_CHECK(
      cudaMemcpy(row(v_, kHeads - 1, kSeq - 64), values.data(), values.size() * 2, cudaMemcpyHostToDevice));
  p_.mask.batch = 1;
  p_.mask.heads = kHeads;
  p_.mask.tiles = static_cast<std::int32_t>((kSeq + 127) / 128);
  p_.mask.blocks = static_cast<std::int32_t>((kSeq + 63) / 64);
  p_.mask.block_q = 128;
  p_.mask.block_k = 64;
  std::vector<std::int64_t> row_ptr(static_cast<std::size_t>(kHeads * p_.mask.tiles) + 1, 0);
  row_ptr.back() = 1;  // the last tile holds 64 queries, and keeps the last block
  const std::int32_t last_block = p_.mask.blocks - 1;
  const std::uint8_t kind = kBlockCausal;
  p_.mask.row_ptr =
      static_cast<const std::int64_t*>(memory_.upload(row_ptr.data(), row_ptr.size() * sizeof(std::int64_t)));
  p_.mask.col_idx = static_cast<const std::int32_t*>(memory_.upload(&last_block, sizeof last_block));
  p_.mask.kind = static_cast<const std::uint8_t*>(memory_.upload(&kind, sizeof kind));
  run();
  std::vector<bfloat16> got(64 * kDim);
  memory_.download(got.data(), row(o_, kHeads - 1, kSeq - 64), got.size() * 2);
  for (std::size_t i = 0; i < got.size(); ++i)  // the mean of rows 0 to i / kDim
    ASSERT_NEAR(static_cast<float>(got[i]), 0.5f * static_cast<float>(i / kDim), 0.2f) << "element " << i;
  memory_.download(got.data(), row(o_, kHeads - 1, kSeq - 128), got.size() * 2);
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_EQ(static_cast<float>(got[i]), 0.0f) << "element " << i;
}

TEST_F(Sm90MillionKeys, OneQueryOfTheLastHeadReadsThemAll) {
  HALFTONE_CUDA_CHECK(cudaMemset(k_, 0, kBytes));
  HALFTONE_CUDA_CHECK(cudaMemset(v_, 0xff, kBytes));
  HALFTONE_CUDA_CHECK(cudaMemset(row(v_, kHeads - 1, 0), 0x3f, kSeq * kDim * 2));
  p_.seq_q = 1;
  run();
  std::vector<bfloat16> got(kDim);
  memory_.download(got.data(), row(o_, kHeads - 1, 0), got.size() * 2);
  bfloat16 expected;
  expected.bits = 0x3f3f;
  for (const bfloat16 x : got) ASSERT_NEAR(static_cast<float>(x), static_cast<float>(expected), 0.004f);
}

TEST(Sm90Refusal, SaysWhy) {
  using ::testing::HasSubstr;
  expect_common_refusals(kPath, 256);
  const std::int64_t rows[2] = {0, 0};
  EXPECT_THAT(refusal_after(kPath, [&](auto& p) { p.mask.row_ptr = rows; p.mask.block_q = p.mask.block_k = 64; }),
              HasSubstr("mask blocks of 64 x 64; it takes 128 x 64 and 128 x 128"));
  EXPECT_THAT(refusal_after(kPath, [](auto& p) { p.landmarks.key = p.k; p.landmarks.block_q = 64; }),
              HasSubstr("landmark tiles of 64 queries"));
  EXPECT_THAT(refusal_after(kPath,
                            [](auto& p) {
                              p.heads_q = p.heads_kv = 2;
                              p.k_stride.head = 0;
                            }),
              HasSubstr("k is expanded (a stride of 0)"));
}

}  // namespace
}  // namespace halftone::testing
