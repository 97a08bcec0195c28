// The public entry point: defaults, the kernel's name in the result, and every rejection.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "halftone/core/error.hpp"
#include "halftone/kernels/attention.hpp"
#include "support/random.hpp"

namespace halftone {
namespace {

using ::testing::HasSubstr;
using testing::random_tensor;

Tensor make(Tensor::Shape shape, std::uint64_t stream, DType dtype = DType::float32) {
  return to_device(random_tensor(dtype, shape, stream));
}

template <class T>
Array<T> device_array(std::initializer_list<T> values) {
  HostArray<T> host("values", values.size());
  std::size_t i = 0;
  for (T value : values) host(i++) = value;
  return Kokkos::create_mirror_view_and_copy(MemSpace{}, host);
}

template <class E>
void expect_error(const std::function<void()>& call, const std::string& text) {
  try {
    call();
    FAIL() << "no error; expected: " << text;
  } catch (const E& error) {
    EXPECT_THAT(error.what(), HasSubstr(text));
    EXPECT_THAT(error.what(), ::testing::Not(HasSubstr("\n")));
  }
}

const Tensor::Shape kQ{2, 4, 100, 32}, kKv{2, 2, 100, 32};

TEST(BlockSparseAttention, DefaultIsDenseCausalOnThePortableKernel) {
  const Tensor q = make(kQ, 1), k = make(kKv, 2), v = make(kKv, 3);
  const AttentionResult result = block_sparse_attention(q, k, v);
  EXPECT_EQ(result.kernel, "portable");
  EXPECT_EQ(result.o.shape, kQ);
  EXPECT_EQ(result.far_mass.extent(0), 0u);
  // The first query sees one key only: its output is that key's value.
  const HostTensor o = to_host(result.o), values = to_host(v);
  for (int h = 0; h < 4; ++h)
    for (int d = 0; d < 32; ++d)
      EXPECT_FLOAT_EQ(o.view<float>()(1, h, 0, d), values.view<float>()(1, h / 2, 0, d));
}

TEST(BlockSparseAttention, ForcedKernelIsTheOneThatRan) {
  if (!is_host_space<ExecSpace>) GTEST_SKIP() << "the reference reads host memory";
  const Tensor q = make(kQ, 1), k = make(kKv, 2), v = make(kKv, 3);
  AttentionOptions options;
  options.kernel = "reference";
  EXPECT_EQ(block_sparse_attention(q, k, v, options).kernel, "reference");
}

TEST(BlockSparseAttention, PackedSequencesDoNotSeeEachOther) {
  const Tensor q = make({1, 2, 90, 32}, 1), k = make({1, 1, 90, 32}, 2), v = make({1, 1, 90, 32}, 3);
  AttentionOptions options;
  options.cu_seqlens_q = options.cu_seqlens_k = device_array<std::int32_t>({0, 40, 90});
  const HostTensor o = to_host(block_sparse_attention(q, k, v, options).o), values = to_host(v);
  for (int d = 0; d < 32; ++d)
    EXPECT_FLOAT_EQ(o.view<float>()(0, 1, 40, d), values.view<float>()(0, 0, 40, d));
}

TEST(BlockSparseAttention, Rejections) {
  const Tensor q = make(kQ, 1), k = make(kKv, 2), v = make(kKv, 3);
  const auto with = [&](auto change) {
    return [&, change] {
      AttentionOptions options;
      change(options);
      block_sparse_attention(q, k, v, options);
    };
  };
  expect_error<InvalidArgument>([&] { block_sparse_attention(q, make({2, 3, 100, 32}, 2), make({2, 3, 100, 32}, 3)); },
                                "heads: got 4 query heads, 3 key-value heads");
  expect_error<InvalidArgument>([&] { block_sparse_attention(q, k, make({2, 2, 99, 32}, 3)); },
                                "shape of v: got [2, 2, 99, 32], expected [2, 2, 100, 32]");
  expect_error<InvalidArgument>([&] { block_sparse_attention(q, make({2, 2, 100, 48}, 2), v); },
                                "shape of k: got [2, 2, 100, 48], expected [2, 2, 100, 32]");
  expect_error<InvalidArgument>([&] { block_sparse_attention(q, make(kKv, 2, DType::float16), v); },
                                "dtype of k and v: got float16, expected float32");
  expect_error<InvalidArgument>([&] { block_sparse_attention(make({2, 4, 0, 32}, 1), k, v); },
                                "query length: got 0, expected at least 1");
  expect_error<InvalidArgument>(with([](auto& o) { o.kernel = "fast"; }),
                                "kernel: got fast, expected auto, sm90, wmma, portable, reference");
  expect_error<InvalidArgument>(with([](auto& o) { o.scale = std::nanf(""); }), "scale: got nan");
  expect_error<InvalidArgument>(with([](auto& o) { o.sink = device_array<float>({1.0f}); }),
                                "sink: got 1 entries, expected 4");
  expect_error<InvalidArgument>(with([](auto& o) { o.cu_seqlens_q = device_array<std::int32_t>({0, 100}); }),
                                "cu_seqlens: got 2 and 0 entries");
  expect_error<InvalidArgument>(
      with([](auto& o) { o.cu_seqlens_q = o.cu_seqlens_k = device_array<std::int32_t>({0, 100}); }),
      "packed batch: got 2, expected 1");
  expect_error<Unsupported>(
      [&] {
        const Tensor wide = make({1, 1, 4, 320}, 1);
        AttentionOptions options;
        options.kernel = "portable";
        block_sparse_attention(wide, wide, wide, options);
      },
      "no kernel serves the request: portable: head dim 320 is above 256");
}

TEST(BlockSparseAttention, RejectsMasksOfOtherSizes) {
  const Tensor q = make(kQ, 1), k = make(kKv, 2), v = make(kKv, 3);
  BlockMask mask;
  mask.row_ptr = device_array<std::int64_t>({0, 0, 0});
  mask.batch = mask.heads = 1;
  mask.tiles = 2;
  mask.blocks = 2;
  mask.block_q = 128;
  mask.block_k = 64;
  AttentionOptions options;
  options.mask = &mask;
  expect_error<InvalidArgument>([&] { block_sparse_attention(q, k, v, options); },
                                "mask size: got 2 tiles x 2 blocks, expected 1 x 2 for 100 queries and 100 keys");
  mask.tiles = 1;
  mask.heads = 3;
  expect_error<InvalidArgument>([&] { block_sparse_attention(q, k, v, options); }, "mask heads: got 3");
  mask.heads = 1;
  mask.batch = 3;
  expect_error<InvalidArgument>([&] { block_sparse_attention(q, k, v, options); }, "mask batch: got 3, expected 1 or 2");
}

TEST(BlockSparseAttention, RejectsSequenceStartsThatDoNotRise) {
  const Tensor q = make({1, 2, 90, 32}, 1), k = make({1, 1, 90, 32}, 2), v = make({1, 1, 90, 32}, 3);
  const auto with = [&](std::initializer_list<std::int32_t> starts) {
    return [&, values = device_array<std::int32_t>(starts)] {
      AttentionOptions options;
      options.cu_seqlens_q = options.cu_seqlens_k = values;
      block_sparse_attention(q, k, v, options);
    };
  };
  expect_error<InvalidArgument>(with({0, 50, 50, 90}), "cu_seqlens_q: got a sequence of length 0");
  expect_error<InvalidArgument>(with({1, 90}), "cu_seqlens_q: got a first entry of 1");
  expect_error<InvalidArgument>(with({0, 80}), "cu_seqlens_q: got a last entry of 80, expected 90");
}

}  // namespace
}  // namespace halftone
