// The portable kernel against the reference: shapes, element types, masks, and every edge case.
#include <gtest/gtest.h>

#include <cmath>
#include <fmt/format.h>

#include "halftone/kernels/portable/portable_attention.hpp"
#include "halftone/kernels/reference/reference_attention.hpp"
#include "kernels/problem.hpp"

namespace halftone {
namespace {

using testing::MaskHeads;
using testing::Outputs;
using testing::Problem;
using testing::ProblemShape;
using testing::relative_error;

void run_reference(const AttentionParams& p) { reference::attention(p); }
void run_portable(const AttentionParams& p) { portable::attention(ExecSpace{}, p); }

double bound_of(DType dtype) {
  return dtype == DType::float32 ? 1e-5 : dtype == DType::float16 ? 2e-3 : 1.5e-2;
}

class PortableAttention : public ::testing::TestWithParam<std::tuple<ProblemShape, DType>> {};

// err(kernel vs float32 truth) <= 2 err(oracle in the low precision vs float32 truth) + rounding of float32 arithmetic
// (a softmax over up to 700 keys: the sums' rounding grows like sqrt(keys) * 2^-24, well under 1e-6).
TEST_P(PortableAttention, MatchesReference) {
  const auto& [shape, dtype] = GetParam();
  const Problem problem(shape, dtype, 7);
  const Outputs truth = problem.in_float32().run_on_host(run_reference);
  const Outputs rounded = problem.run_on_host(run_reference);
  const Outputs got = problem.run_on_device(run_portable);

  EXPECT_TRUE(got.guards_intact);
  const double error = relative_error(got.o, truth.o);
  EXPECT_LE(error, 2.0 * relative_error(rounded.o, truth.o) + 1e-6);
  EXPECT_LE(error, bound_of(dtype));
  ASSERT_EQ(got.lse.size(), truth.lse.size());
  for (std::size_t i = 0; i < truth.lse.size(); ++i) {
    if (std::isinf(truth.lse[i])) {
      EXPECT_EQ(got.lse[i], truth.lse[i]) << "row " << i;
      for (int d = 0; d < shape.dim; ++d)
        EXPECT_EQ(got.o[i * static_cast<std::size_t>(shape.dim) + static_cast<std::size_t>(d)], 0.0f) << "row " << i;
    } else {
      EXPECT_NEAR(got.lse[i], truth.lse[i], 2e-6 * (1.0 + std::abs(truth.lse[i]))) << "row " << i;
    }
    EXPECT_NEAR(got.far_mass[i], truth.far_mass[i], 2e-6) << "row " << i;
  }
}

TEST_P(PortableAttention, IsDeterministic) {
  const auto& [shape, dtype] = GetParam();
  const Problem problem(shape, dtype, 8);
  const Outputs first = problem.run_on_device(run_portable), second = problem.run_on_device(run_portable);
  EXPECT_EQ(first.o, second.o);
  EXPECT_EQ(first.lse, second.lse);
}

std::vector<ProblemShape> shapes() {
  std::vector<ProblemShape> out;
  const auto add = [&](const char* name, auto change) {
    ProblemShape shape;
    shape.name = name;
    change(shape);
    out.push_back(shape);
  };
  add("plain", [](ProblemShape&) {});
  add("not_causal", [](ProblemShape& s) { s.causal = false; });
  for (int dim : {32, 80, 96, 128, 192, 256})
    add(fmt::format("dim_{}", dim).c_str(), [dim](ProblemShape& s) { s.dim = dim; s.len_q = s.len_k = {140}; });
  add("one_token", [](ProblemShape& s) { s.len_q = s.len_k = {1}; });
  add("one_query", [](ProblemShape& s) { s.len_q = {1}; s.len_k = {333}; });
  add("one_key", [](ProblemShape& s) { s.len_q = {130}; s.len_k = {1}; });
  add("one_key_not_causal", [](ProblemShape& s) { s.len_q = {130}; s.len_k = {1}; s.causal = false; });
  add("fewer_queries", [](ProblemShape& s) { s.len_q = {70}; s.len_k = {333}; });
  add("fewer_keys", [](ProblemShape& s) { s.len_q = {333}; s.len_k = {70}; });  // leading queries see nothing
  add("exact_tiles", [](ProblemShape& s) { s.len_q = s.len_k = {256}; });
  add("one_past_tile", [](ProblemShape& s) { s.len_q = s.len_k = {257}; });
  add("batch", [](ProblemShape& s) { s.batch = 3; s.len_q = {90}; s.len_k = {150}; });
  add("multi_query", [](ProblemShape& s) { s.heads_q = 5; s.heads_kv = 1; });
  add("multi_head", [](ProblemShape& s) { s.heads_q = s.heads_kv = 3; });
  add("sink", [](ProblemShape& s) { s.sink = true; });
  add("sink_empty_rows", [](ProblemShape& s) { s.sink = true; s.len_q = {200}; s.len_k = {60}; });
  add("packed", [](ProblemShape& s) { s.packed = true; s.len_q = s.len_k = {70, 1, 300, 129}; });
  add("packed_lengths_differ", [](ProblemShape& s) { s.packed = true; s.len_q = {70, 1, 200}; s.len_k = {10, 250, 200}; });
  for (MaskHeads heads : {MaskHeads::shared, MaskHeads::per_group, MaskHeads::per_head})
    for (bool causal : {true, false})
      add(fmt::format("mask_{}_{}", static_cast<int>(heads), causal ? "causal" : "full").c_str(),
          [&](ProblemShape& s) { s.mask = heads; s.causal = causal; s.len_q = s.len_k = {700}; s.heads_q = 2; s.heads_kv = 1; });
  add("mask_batch", [](ProblemShape& s) { s.mask = MaskHeads::per_head; s.batch = 2; s.len_q = {300}; s.len_k = {411}; });
  add("mask_block_128", [](ProblemShape& s) { s.mask = MaskHeads::per_head; s.block_k = 128; s.len_q = s.len_k = {500}; });
  add("mask_tile_64", [](ProblemShape& s) { s.mask = MaskHeads::per_head; s.block_q = 64; s.len_q = s.len_k = {300}; });
  add("mask_tile_100", [](ProblemShape& s) { s.mask = MaskHeads::per_head; s.block_q = 100; s.len_q = s.len_k = {310}; });
  add("mask_tile_256", [](ProblemShape& s) { s.mask = MaskHeads::per_head; s.block_q = 256; s.len_q = s.len_k = {600}; });
  add("mask_packed", [](ProblemShape& s) { s.mask = MaskHeads::per_head; s.packed = true; s.len_q = {70, 1, 300}; s.len_k = {90, 200, 300}; });
  add("landmarks", [](ProblemShape& s) { s.landmarks = true; });
  add("landmarks_mask", [](ProblemShape& s) { s.landmarks = true; s.mask = MaskHeads::per_head; s.len_q = s.len_k = {600}; });
  add("landmarks_packed_sink", [](ProblemShape& s) {
    s.landmarks = s.sink = s.packed = true;
    s.mask = MaskHeads::per_head;
    s.len_q = {150, 40};
    s.len_k = {400, 40};
  });
  add("many_landmarks", [](ProblemShape& s) { s.landmarks = true; s.len_q = {64}; s.len_k = {4500}; s.heads_q = 2; s.heads_kv = 1; s.dim = 32; });
  return out;
}

INSTANTIATE_TEST_SUITE_P(Shapes, PortableAttention,
                         ::testing::Combine(::testing::ValuesIn(shapes()),
                                            ::testing::Values(DType::float32, DType::float16, DType::bfloat16)),
                         [](const auto& info) {
                           return fmt::format("{}_{}", std::get<0>(info.param).name, name_of(std::get<1>(info.param)));
                         });

TEST(PortableAttentionRefusal, HeadDimAbove256) {
  AttentionParams p;
  p.dim = 257;
  EXPECT_EQ(portable::refusal(p), "head dim 257 is above 256");
  p.dim = 256;
  EXPECT_EQ(portable::refusal(p), "");
}

}  // namespace
}  // namespace halftone
