// The portable kernel against the reference: shapes, element types, masks, and every edge case.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "halftone/kernels/portable/portable_attention.hpp"
#include "kernels/problem.hpp"

namespace halftone {
namespace {

using testing::Outputs;
using testing::Problem;
using testing::ProblemShape;

void run_portable(const AttentionParams& p) { portable::attention(ExecSpace{}, p); }

class PortableAttention : public ::testing::TestWithParam<std::tuple<ProblemShape, DType>> {};

TEST_P(PortableAttention, MatchesReference) {
  const auto& [shape, dtype] = GetParam();
  const Problem problem(shape, dtype, 7);
  testing::expect_matches_reference(problem, problem.run_on_device(run_portable));
}

TEST_P(PortableAttention, IsDeterministic) {
  const auto& [shape, dtype] = GetParam();
  const Problem problem(shape, dtype, 8);
  const Outputs first = problem.run_on_device(run_portable), second = problem.run_on_device(run_portable);
  EXPECT_EQ(first.o, second.o);
  EXPECT_EQ(first.lse, second.lse);
}

INSTANTIATE_TEST_SUITE_P(Shapes, PortableAttention,
                         ::testing::Combine(::testing::ValuesIn(testing::edge_case_shapes()),
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
