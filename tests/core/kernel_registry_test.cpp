#include "halftone/core/kernel_registry.hpp"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <limits>

#include "halftone/core/error.hpp"
#include "support/messages.hpp"

namespace halftone {
namespace {

using testing::message_of;

std::string only_dim_64(const AttentionParams& p) {
  return p.dim == 64 ? "" : "head dim " + std::to_string(p.dim) + " is not 64";
}
std::string only_half(const AttentionParams& p) { return p.dtype == DType::float16 ? "" : "only float16"; }
std::string anything(const AttentionParams&) { return ""; }
std::size_t no_workspace(const AttentionParams&) { return 0; }
void nothing(const AttentionParams&, void*, void*) {}

constexpr std::array<KernelEntry, 3> kTable{{{"fast", "", only_dim_64, no_workspace, nothing},
                                             {"half", "", only_half, no_workspace, nothing},
                                             {"plain", "", anything, no_workspace, nothing}}};

AttentionParams request(int dim, DType dtype) {
  AttentionParams p;
  p.dim = dim;
  p.dtype = dtype;
  return p;
}

TEST(ChooseKernel, TakesTheFirstThatServes) {
  EXPECT_EQ(choose_kernel(kTable, request(64, DType::float16)).name, "fast");
  EXPECT_EQ(choose_kernel(kTable, request(32, DType::float16)).name, "half");
  EXPECT_EQ(choose_kernel(kTable, request(32, DType::float32)).name, "plain");
}

TEST(ChooseKernel, AnyCanBeForcedByName) {
  EXPECT_EQ(choose_kernel(kTable, request(64, DType::float16), "plain").name, "plain");
  EXPECT_EQ(choose_kernel(kTable, request(64, DType::float16), "half").name, "half");
}

TEST(ChooseKernel, AForcedKernelThatRefusesIsNotReplaced) {
  EXPECT_EQ(message_of<Unsupported>([] { choose_kernel(kTable, request(80, DType::float32), "fast"); }),
            "no kernel serves the request: fast: head dim 80 is not 64");
}

TEST(ChooseKernel, ListsEveryRefusal) {
  const std::span<const KernelEntry> two(kTable.data(), 2);
  EXPECT_EQ(message_of<Unsupported>([&] { choose_kernel(two, request(80, DType::float32)); }),
            "no kernel serves the request: fast: head dim 80 is not 64; half: only float16");
}

TEST(ChooseKernel, UnknownNamesListTheKnown) {
  EXPECT_EQ(message_of<InvalidArgument>([] { choose_kernel(kTable, request(64, DType::float16), "quick"); }),
            "kernel: got quick, expected auto, fast, half, plain");
  EXPECT_EQ(message_of<Unsupported>([] { choose_kernel({}, request(64, DType::float16)); }), "no kernel was built");
}

/// A request of 2 sequences, 4 query and 2 key heads, 300 queries and 500 keys of dimension 64, with mask and
/// landmarks.
class ValidateRequest : public ::testing::Test {
 protected:
  ValidateRequest() {
    params.q = params.k = params.v = params.o = buffer;
    params.batch = 2;
    params.heads_q = 4;
    params.heads_kv = 2;
    params.dim = 64;
    params.seq_q = 300;
    params.seq_k = 500;
    params.scale = 0.125f;
    params.mask.row_ptr = row_ptr;
    params.mask.batch = 1;
    params.mask.heads = 2;
    params.mask.block_q = 128;
    params.mask.block_k = 64;
    params.mask.tiles = 3;
    params.mask.blocks = 8;
    params.landmarks.key = params.landmarks.value = buffer;
    params.landmarks.bias = buffer;
    params.landmarks.blocks = 8;
    params.landmarks.block_q = 128;
    params.landmarks.tiles = 3;
  }

  /// The refusal after one change to the request.
  std::string refusal(const std::function<void(AttentionParams&)>& change) {
    AttentionParams changed = params;
    change(changed);
    return message_of<InvalidArgument>([&] { validate(changed); });
  }

  float buffer[1] = {};
  std::int64_t row_ptr[1] = {};
  std::int32_t starts[3] = {};
  AttentionParams params;
};

TEST_F(ValidateRequest, AcceptsAConsistentOne) {
  EXPECT_NO_THROW(validate(params));
  params.cu_seqlens_q = params.cu_seqlens_k = starts;
  params.mask.batch = 2;
  params.mask.heads = 4;
  EXPECT_NO_THROW(validate(params));
  params.mask.row_ptr = nullptr;
  params.landmarks.key = nullptr;
  EXPECT_NO_THROW(validate(params));
}

TEST_F(ValidateRequest, RefusesSizes) {
  const std::string null = "q, k, v, o: got a null pointer, expected four tensors";
  EXPECT_EQ(refusal([](auto& p) { p.q = nullptr; }), null);
  EXPECT_EQ(refusal([](auto& p) { p.k = nullptr; }), null);
  EXPECT_EQ(refusal([](auto& p) { p.v = nullptr; }), null);
  EXPECT_EQ(refusal([](auto& p) { p.o = nullptr; }), null);
  EXPECT_EQ(refusal([](auto& p) { p.batch = 0; }), "batch: got 0, expected a positive number");
  EXPECT_EQ(refusal([](auto& p) { p.seq_q = 0; }), "query length: got 0, expected at least 1");
  EXPECT_EQ(refusal([](auto& p) { p.seq_k = -1; }), "key length: got -1, expected at least 1");
  EXPECT_EQ(refusal([](auto& p) { p.dim = 0; }), "head dim: got 0, expected a positive number");
  const std::string heads = "expected query heads a multiple of key-value heads";
  EXPECT_EQ(refusal([](auto& p) { p.heads_kv = 3; }), "heads: got 4 query heads, 3 key-value heads, " + heads);
  EXPECT_EQ(refusal([](auto& p) { p.heads_kv = 0; }), "heads: got 4 query heads, 0 key-value heads, " + heads);
  EXPECT_EQ(refusal([](auto& p) { p.heads_q = 0; }), "heads: got 0 query heads, 2 key-value heads, " + heads);
  EXPECT_EQ(refusal([](auto& p) { p.scale = std::numeric_limits<float>::infinity(); }),
            "scale: got inf, expected a finite number");
  const std::string both = "cu_seqlens: got one of two, expected both for queries and keys, or neither";
  EXPECT_EQ(refusal([&](auto& p) { p.cu_seqlens_q = starts; }), both);
  EXPECT_EQ(refusal([&](auto& p) { p.cu_seqlens_k = starts; }), both);
}

TEST_F(ValidateRequest, RefusesMasksOfOtherSizes) {
  EXPECT_EQ(refusal([](auto& p) { p.mask.block_k = 32; }),
            "mask blocks: got 128 x 32, expected positive, block_k a multiple of 64");
  EXPECT_EQ(refusal([](auto& p) { p.mask.block_q = 0; }),
            "mask blocks: got 0 x 64, expected positive, block_k a multiple of 64");
  EXPECT_EQ(refusal([](auto& p) { p.mask.batch = 3; }), "mask batch: got 3, expected 1 or 2");
  EXPECT_EQ(refusal([](auto& p) { p.mask.heads = 3; }), "mask heads: got 3, expected a divisor of 4");
  EXPECT_EQ(refusal([](auto& p) { p.mask.heads = 0; }), "mask heads: got 0, expected a divisor of 4");
  const std::string size = "expected 3 x 8 for 300 queries and 500 keys";
  EXPECT_EQ(refusal([](auto& p) { p.mask.tiles = 2; }), "mask size: got 2 tiles x 8 blocks, " + size);
  EXPECT_EQ(refusal([](auto& p) { p.mask.blocks = 9; }), "mask size: got 3 tiles x 9 blocks, " + size);
}

TEST_F(ValidateRequest, RefusesLandmarksOfOtherSizes) {
  const std::string null = "landmarks: got a null pointer, expected keys, values and bias";
  EXPECT_EQ(refusal([](auto& p) { p.landmarks.value = nullptr; }), null);
  EXPECT_EQ(refusal([](auto& p) { p.landmarks.bias = nullptr; }), null);
  EXPECT_EQ(refusal([](auto& p) { p.landmarks.blocks = 0; }),
            "landmarks: got 0 blocks, tiles of 128, expected positive numbers");
  EXPECT_EQ(refusal([](auto& p) { p.landmarks.block_q = 0; }),
            "landmarks: got 8 blocks, tiles of 0, expected positive numbers");
  EXPECT_EQ(refusal([](auto& p) { p.landmarks.tiles = 4; }), "landmark tiles: got 4, expected 3");
}

}  // namespace
}  // namespace halftone
