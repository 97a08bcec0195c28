// What the C library refuses, with which status, and what it then says.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <thread>

#include "capi/request_of.hpp"

namespace halftone {
namespace {

// A request that is served: 100 tokens, 2 heads, on the host.
struct Request : ::testing::Test {
  Request() {
    AttentionParams p;
    p.q = p.k = p.v = data;
    p.o = o;
    p.q_stride = p.k_stride = p.v_stride = p.o_stride = {0, 8, 16};
    p.seq_q = p.seq_k = 100;
    p.batch = 1;
    p.heads_q = p.heads_kv = 2;
    p.dim = 8;
    r = testing::request_of(p);
    m = {sizeof m, row_ptr, col_idx, kind, nullptr, nullptr, 2, 0, 0, 0, 1, 1, 1, 2, 128, 64};
    s.size = sizeof s;
    s.density = 1.0;
  }
  void expect(halftone_status got, halftone_status status, const std::string& message) {
    EXPECT_EQ(got, status);
    EXPECT_EQ(halftone_last_message(), message);
  }
  void refuses(const std::string& message, halftone_status status = HALFTONE_INVALID_ARGUMENT) {
    expect(halftone_block_sparse_attention(&r, &m), status, message);
    EXPECT_EQ(o[0], 5.0f) << "written to";
  }
  void selection_refuses(const std::string& message, halftone_status status = HALFTONE_INVALID_ARGUMENT) {
    expect(halftone_attention(&r, &s, nullptr), status, message);
    EXPECT_EQ(o[0], 5.0f) << "written to";
  }

  float data[100 * 16] = {}, o[100 * 16] = {5.0f};
  std::int64_t row_ptr[2] = {0, 2};
  std::int32_t col_idx[2] = {0, 1};
  std::uint8_t kind[2] = {0, 4};
  halftone_request r{};
  halftone_block_mask m{};
  halftone_selection s{};
};
using CapiRefusals = Request;

TEST_F(CapiRefusals, TheRequestItselfIsServed) {
  EXPECT_EQ(halftone_block_sparse_attention(&r, &m), HALFTONE_OK) << halftone_last_message();
  EXPECT_EQ(o[0], 0.0f);
  o[0] = 5.0f;
  EXPECT_EQ(halftone_attention(&r, &s, nullptr), HALFTONE_OK) << halftone_last_message();
  EXPECT_EQ(o[0], 0.0f);
}

TEST_F(CapiRefusals, Pointers) {
  expect(halftone_block_sparse_attention(nullptr, nullptr), HALFTONE_INVALID_ARGUMENT,
         "request: got a null pointer, expected a struct");
  expect(halftone_attention(&r, nullptr, nullptr), HALFTONE_INVALID_ARGUMENT,
         "selection: got a null pointer, expected a struct");
  expect(halftone_workspace_bytes(&r, nullptr, nullptr, nullptr), HALFTONE_INVALID_ARGUMENT,
         "bytes: got a null pointer, expected a place for the result");
  r.v = nullptr;
  refuses("q, k, v, o: got a null pointer, expected four tensors");
  r.v = data;
  m.kind = nullptr;
  refuses("mask: got a null pointer, expected row_ptr, col_idx and kind");
}

TEST_F(CapiRefusals, StructSizes) {
  const std::string version = ", as of halftone.h of this version";
  m.size = 8;
  refuses("mask size: got 8, expected " + std::to_string(sizeof m) + version);
  s.size = sizeof s + 8;
  selection_refuses("selection size: got " + std::to_string(sizeof s + 8) + ", expected " + std::to_string(sizeof s) +
                    version);
  s.size = 68;  // between two versions
  selection_refuses("selection size: got 68, expected " + std::to_string(sizeof s) + version);
  r.size = 0;
  refuses("request size: got 0, expected " + std::to_string(sizeof r) + version);
  r.size = sizeof r;
  s.size = sizeof s;
  halftone_selected selected{};
  expect(halftone_attention(&r, &s, &selected), HALFTONE_INVALID_ARGUMENT,
         "selected size: got 0, expected " + std::to_string(sizeof selected) + version);
}

TEST_F(CapiRefusals, SizesAndTypes) {
  r.dtype = 7;
  refuses("dtype: got 7, expected 0 (HALFTONE_FLOAT32), 1 (HALFTONE_FLOAT16) or 2 (HALFTONE_BFLOAT16)");
  r.dtype = HALFTONE_FLOAT32;
  r.device = -2;
  refuses("device: got -2, expected -1 (HALFTONE_HOST) or the number of a CUDA device");
  r.device = HALFTONE_HOST;
  r.heads_kv = 3;
  refuses("heads: got 2 query heads, 3 key-value heads, expected query heads a multiple of key-value heads");
  r.heads_kv = 2;
  r.dim = 0;
  refuses("head dim: got 0, expected a positive number");
  r.dim = 8;
  r.seq_q = 0;
  refuses("query length: got 0, expected at least 1");
}

TEST_F(CapiRefusals, Kernels) {
  r.kernel = "fastest";
  refuses("kernel: got fastest, expected auto, sm90, wmma, portable, reference");
  r.kernel = "auto";
  r.dim = 1000;
  refuses("no kernel serves the request: portable: head dim 1000 is above 256", HALFTONE_UNSUPPORTED);
}

TEST_F(CapiRefusals, Masks) {
  col_idx[1] = 2;
  refuses("mask col_idx[1]: got 2, expected 0 to 1");
  col_idx[1] = 1;
  kind[0] = HALFTONE_BLOCK_BITS;
  refuses("mask bits_index[0]: got -1, expected 0 to -1");
  kind[0] = 0;
  m.kept = 1;
  refuses("mask row_ptr's last entry: got 2, expected 1");
  m.kept = 2;
  m.tiles = 2;
  refuses("mask size: got 2 tiles x 2 blocks, expected 1 x 2 for 100 queries and 100 keys");
}

TEST_F(CapiRefusals, PackedSequences) {
  const std::int32_t starts[3] = {0, 40, 100}, wrong[3] = {0, 40, 99};
  r.cu_seqlens_q = starts;
  r.seq_q = r.seq_k = 60;
  r.total_q = r.total_k = 100;
  r.batch = m.batch = 2;
  m.blocks = 1;
  selection_refuses("cu_seqlens: got one of two, expected both for queries and keys, or neither");
  r.cu_seqlens_k = wrong;
  selection_refuses("cu_seqlens_k: got a last entry of 99, expected 100");
  r.cu_seqlens_k = starts;
  r.seq_q = 50;
  selection_refuses("packed lengths: got 50 and 60, expected at least the longest sequence's, 60 and 60");
}

TEST_F(CapiRefusals, Selections) {
  s.density = 0.0;
  selection_refuses("tolerance and density: got 0 and 0, expected exactly one of them, the other 0");
  s.density = 1.5;
  selection_refuses("density: got 1.5, expected more than 0 and at most 1");
  s.density = 0.5;
  s.micro_block = 5;
  selection_refuses("micro_block: got 5, expected 1, 4, 8, 16, 32 or 64");
  s.micro_block = 0;
  s.block_k = 100;
  selection_refuses("block_k: got 100, expected a multiple of 64");
  s.block_k = 0;
  s.reserved = 1;
  selection_refuses("selection reserved: got 1, expected 0");
  s.reserved = 0;
  halftone_selected selected{};
  selected.size = sizeof selected;
  size_t bytes = 0;
  ASSERT_EQ(halftone_workspace_bytes(&r, nullptr, &s, &bytes), HALFTONE_OK);
  r.workspace_bytes = bytes;
  expect(halftone_attention(&r, &s, &selected), HALFTONE_INVALID_ARGUMENT,
         "workspace: got 0 bytes, expected at least " + std::to_string(bytes) + " at a multiple of 256");
  expect(halftone_workspace_bytes(&r, &m, &s, &bytes), HALFTONE_INVALID_ARGUMENT,
         "mask and selection: got both, expected one of them, or neither");
}

TEST_F(CapiRefusals, DevicesWithoutCuda) {
  if (halftone_features() & (HALFTONE_FEATURE_SM90 | HALFTONE_FEATURE_WMMA)) return;  // tests/cuda
  r.device = 0;
  const std::string build = "not built; configure with HALFTONE_ENABLE_CUDA=ON and ";
  refuses("no kernel serves the request: sm90: " + build + "sm90 in HALFTONE_CUDA_PATHS; wmma: " + build +
              "wmma in HALFTONE_CUDA_PATHS",
          HALFTONE_UNSUPPORTED);
  selection_refuses("selection: " + build + "sm90 in HALFTONE_CUDA_PATHS", HALFTONE_UNSUPPORTED);
}

TEST_F(CapiRefusals, MessagesBelongToTheirThread) {
  r.dim = 0;
  halftone_block_sparse_attention(&r, nullptr);
  std::string other = "not asked";
  std::thread([&other] { other = halftone_last_message(); }).join();
  EXPECT_EQ(other, "");
  EXPECT_STREQ(halftone_last_message(), "head dim: got 0, expected a positive number");
}

}  // namespace
}  // namespace halftone
