// The C library in host memory: block-sparse attention against the oracle, selection and attention against the C++
// call.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

#include "capi/request_of.hpp"
#include "halftone/kernels/halftone_attention.hpp"
#include "kernels/problem.hpp"
#include "support/random.hpp"

namespace halftone {
namespace {

using testing::Problem;
using testing::ProblemShape;
using testing::random_tensor;
using testing::request_of;

class CapiBlockSparse : public ::testing::TestWithParam<ProblemShape> {};

TEST_P(CapiBlockSparse, MatchesTheReference) {
  for (const DType dtype : {DType::float32, DType::float16, DType::bfloat16}) {
    const Problem problem(GetParam(), dtype, 7);
    testing::expect_matches_reference(problem, problem.run_on_host([](const AttentionParams& p) {
      const halftone_request request = request_of(p);
      const halftone_block_mask mask = p.mask.row_ptr ? testing::mask_of(p.mask) : halftone_block_mask{};
      ASSERT_EQ(halftone_block_sparse_attention(&request, p.mask.row_ptr ? &mask : nullptr), HALFTONE_OK)
          << halftone_last_message();
    }));
  }
}

std::vector<ProblemShape> shapes_without_landmarks() {
  std::vector<ProblemShape> shapes = testing::edge_case_shapes();
  std::erase_if(shapes, [](const ProblemShape& shape) { return shape.landmarks; });
  return shapes;
}
INSTANTIATE_TEST_SUITE_P(Edges, CapiBlockSparse, ::testing::ValuesIn(shapes_without_landmarks()),
                         [](const auto& test) { return test.param.name; });

// q, k and v of 700 tokens, as a request over interleaved memory: the tensors hold [batch, seq, heads, dim].
struct Inputs {
  static constexpr int kSeq = 700, kHeads = 4, kHeadsKv = 2, kDim = 32;
  HostTensor q = random_tensor(DType::bfloat16, {2, kSeq, kHeads, kDim}, 1, 3.0f);
  HostTensor k = random_tensor(DType::bfloat16, {2, kSeq, kHeadsKv, kDim}, 2);
  HostTensor v = random_tensor(DType::bfloat16, {2, kSeq, kHeadsKv, kDim}, 3);
  HostTensor o{"o", DType::bfloat16, {2, kSeq, kHeads, kDim}};
  std::vector<float> lse = std::vector<float>(2 * kHeads * kSeq), far_mass = lse;

  halftone_request request() {
    AttentionParams p;
    p.q = q.data();
    p.k = k.data();
    p.v = v.data();
    p.o = o.data();
    p.lse = lse.data();
    p.far_mass = far_mass.data();
    p.q_stride = p.o_stride = {kSeq * kHeads * kDim, kDim, kHeads * kDim};
    p.k_stride = p.v_stride = {kSeq * kHeadsKv * kDim, kDim, kHeadsKv * kDim};
    p.seq_q = p.seq_k = kSeq;
    p.batch = 2;
    p.heads_q = kHeads;
    p.heads_kv = kHeadsKv;
    p.dim = kDim;
    p.dtype = DType::bfloat16;
    p.causal = true;
    return request_of(p);
  }
};

Tensor heads_first(const HostTensor& t) {
  HostTensor out("heads_first", t.dtype, {t.shape[0], t.shape[2], t.shape[1], t.shape[3]});
  const auto from = t.view<bfloat16>(), to = out.view<bfloat16>();
  for (std::int64_t b = 0; b < t.shape[0]; ++b)
    for (std::int64_t i = 0; i < t.shape[1]; ++i)
      for (std::int64_t h = 0; h < t.shape[2]; ++h)
        for (std::int64_t d = 0; d < t.shape[3]; ++d) to(b, h, i, d) = from(b, i, h, d);
  return to_device(out);
}

using Memory = std::unique_ptr<void, decltype(&std::free)>;
Memory workspace_for(halftone_request& request, const halftone_selection& selection) {
  EXPECT_EQ(halftone_workspace_bytes(&request, nullptr, &selection, &request.workspace_bytes), HALFTONE_OK);
  request.workspace = std::aligned_alloc(256, (request.workspace_bytes + 255) / 256 * 256);
  return {request.workspace, std::free};
}

TEST(CapiHalftone, IsTheCallFromCpp) {
  Inputs in;
  halftone_request request = in.request();
  halftone_selection selection{};
  selection.size = sizeof selection;
  const float weight[4] = {1.0f, 0.5f, 2.0f, 1.0f};
  const std::uint8_t gate[4] = {1, 0, 1, 1};
  selection.head_weight = weight;
  selection.gate = gate;
  selection.density = 0.8;
  selection.landmarks = 1;
  selection.micro_block = 16;
  selection.sink_blocks = -1;
  selection.local_blocks = 2;
  const Memory memory = workspace_for(request, selection);
  halftone_selected selected{};
  selected.size = sizeof selected;
  ASSERT_EQ(halftone_attention(&request, &selection, &selected), HALFTONE_OK) << halftone_last_message();

  HalftoneAttentionOptions options;
  options.pattern.density = 0.8;
  options.pattern.landmarks = true;
  options.pattern.micro_block = 16;
  options.pattern.sink_blocks = 0;
  options.pattern.local_blocks = 2;
  options.head_weight = {1.0f, 0.5f, 2.0f, 1.0f};
  options.gate = {true, false, true, true};
  const auto expected = attention(heads_first(in.q), heads_first(in.k), heads_first(in.v), options);

  EXPECT_EQ(selected.outcome->kept, expected.mask.kept());
  EXPECT_EQ(selected.outcome->visible, expected.mask.visible);
  EXPECT_GT(selected.outcome->forced, 0);
  EXPECT_LT(selected.outcome->forced, selected.outcome->kept);
  EXPECT_FLOAT_EQ(selected.outcome->tolerance, static_cast<float>(expected.tolerance));
  const HostBlockMask mask = to_host(expected.mask);
  ASSERT_EQ(selected.mask.tiles, mask.tiles);
  EXPECT_EQ(std::memcmp(selected.mask.row_ptr, mask.row_ptr.data(), mask.row_ptr.extent(0) * 8), 0);
  EXPECT_EQ(std::memcmp(selected.mask.col_idx, mask.col_idx.data(), mask.col_idx.extent(0) * 4), 0);
  EXPECT_EQ(std::memcmp(selected.mask.kind, mask.kind.data(), mask.kind.extent(0)), 0);

  const HostTensor o = to_host(expected.attention.o);
  const auto got = in.o.view<bfloat16>(), want = o.view<bfloat16>();
  for (std::int64_t b = 0; b < 2; ++b)
    for (std::int64_t h = 0; h < Inputs::kHeads; ++h)
      for (std::int64_t i = 0; i < Inputs::kSeq; ++i)
        for (std::int64_t d = 0; d < Inputs::kDim; ++d)
          ASSERT_EQ(got(b, i, h, d).bits, want(b, h, i, d).bits) << b << ' ' << h << ' ' << i << ' ' << d;
  const auto lse = Kokkos::create_mirror_view_and_copy(HostSpace{}, expected.attention.lse);
  const auto far = Kokkos::create_mirror_view_and_copy(HostSpace{}, expected.attention.far_mass);
  EXPECT_EQ(std::memcmp(in.lse.data(), lse.data(), in.lse.size() * 4), 0);
  EXPECT_EQ(std::memcmp(in.far_mass.data(), far.data(), in.far_mass.size() * 4), 0);
}

TEST(CapiHalftone, ItsSelectionIsAMask) {
  Inputs in;
  halftone_request request = in.request();
  halftone_selection selection{};
  selection.size = sizeof selection;
  selection.tolerance = 0.2;
  selection.sink_blocks = selection.local_blocks = -1;
  const Memory memory = workspace_for(request, selection);
  halftone_selected selected{};
  selected.size = sizeof selected;
  ASSERT_EQ(halftone_attention(&request, &selection, &selected), HALFTONE_OK) << halftone_last_message();
  EXPECT_LT(selected.outcome->kept, selected.outcome->visible);
  const std::vector<float> lse = in.lse;
  std::fill(in.lse.begin(), in.lse.end(), 0.0f);
  halftone_block_mask mask = selected.mask;
  mask.kept = selected.outcome->kept;
  ASSERT_EQ(halftone_block_sparse_attention(&request, &mask), HALFTONE_OK) << halftone_last_message();
  EXPECT_EQ(in.lse, lse);
}

TEST(CapiHalftone, SharesListsWithinGroups) {
  Inputs in;
  halftone_request request = in.request();
  halftone_selection selection{};
  selection.size = sizeof selection;
  selection.density = 0.8;
  selection.sink_blocks = -1;
  selection.shared_lists = 1;
  const Memory memory = workspace_for(request, selection);
  halftone_selected selected{};
  selected.size = sizeof selected;
  ASSERT_EQ(halftone_attention(&request, &selection, &selected), HALFTONE_OK) << halftone_last_message();

  HalftoneAttentionOptions options;
  options.pattern.density = 0.8;
  options.pattern.sink_blocks = 0;
  options.pattern.shared_lists = true;
  const auto expected = attention(heads_first(in.q), heads_first(in.k), heads_first(in.v), options);
  const HostBlockMask mask = to_host(expected.mask);
  ASSERT_EQ(selected.mask.heads, Inputs::kHeadsKv);
  EXPECT_EQ(selected.outcome->kept, mask.kept());
  EXPECT_EQ(selected.outcome->visible, mask.visible);
  // Of six tiles' 2, 4, 6, 8, 10 and 11 blocks those on the diagonal and one before it, for two lists of two sequences.
  EXPECT_EQ(selected.outcome->forced, 4 * (2 + 3 + 3 + 3 + 3 + 2));
  EXPECT_EQ(std::memcmp(selected.mask.row_ptr, mask.row_ptr.data(), mask.row_ptr.extent(0) * 8), 0);
  EXPECT_EQ(std::memcmp(selected.mask.col_idx, mask.col_idx.data(), mask.col_idx.extent(0) * 4), 0);
  const auto lse = Kokkos::create_mirror_view_and_copy(HostSpace{}, expected.attention.lse);
  EXPECT_EQ(std::memcmp(in.lse.data(), lse.data(), in.lse.size() * 4), 0);
}

// A program that was built with the first version's header.
TEST(CapiHalftone, TakesTheSelectionWithoutSharedLists) {
  Inputs in;
  halftone_request request = in.request();
  halftone_selection selection{};
  selection.size = 64;
  selection.density = 0.8;
  selection.shared_lists = 1;  // beyond what it says it holds
  const Memory memory = workspace_for(request, selection);
  halftone_selected selected{};
  selected.size = sizeof selected;
  ASSERT_EQ(halftone_attention(&request, &selection, &selected), HALFTONE_OK) << halftone_last_message();
  EXPECT_EQ(selected.mask.heads, Inputs::kHeads);
}

TEST(CapiHalftone, ServesSeveralThreads) {
  std::vector<std::vector<float>> sums(4);
  std::vector<std::thread> threads;
  for (auto& sum : sums)
    threads.emplace_back([&sum] {
      Inputs in;
      const halftone_request request = in.request();
      halftone_selection selection{};
      selection.size = sizeof selection;
      selection.tolerance = 0.05;
      if (halftone_attention(&request, &selection, nullptr) == HALFTONE_OK) sum = in.lse;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(sums[0].empty());
  for (const auto& sum : sums) EXPECT_EQ(sum, sums[0]);
}

}  // namespace
}  // namespace halftone
