// Mean-pooled top-k against a plain host computation.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "topk_checks.hpp"

namespace halftone::testing {
namespace {

using nlohmann::json;
/// Sums of softmaxes over the runs' mean queries; the logits themselves where there is one run.
NaiveScores naive_scores(const Activations& a, long reps, double scale) {
  return [&a, reps, scale](long b, long head, long tile, long visible) {
    const MaskGeometry g = a.test.on_host();
    const Lengths l = a.test.lengths[b];
    const long run = g.block_q / reps;
    Vector scores(visible, 0.0);
    for (long first = tile * g.block_q; first < std::min((tile + 1) * g.block_q, l.q); first += run) {
      const Vector query = a.mean_query(b, head, first, std::min(first + run, l.q));
      Vector logit(visible, 0.0);
      for (long c = 0; c < visible; ++c) {
        const Vector key = a.mean_key(b, head, c * g.block_k, std::min((c + 1) * g.block_k, l.k));
        for (long d = 0; d < kDim; ++d) logit[c] += real_scale(scale) * query[d] * key[d];
      }
      if (reps == 1) return logit;
      softmax(logit);
      for (long c = 0; c < visible; ++c) scores[c] += logit[c];
    }
    return scores;
  };
}

void expect_best(const Activations& a, const json& parameters, double scale) {
  expect_topk("mean_topk", a, parameters, naive_scores(a, parameters.value("representatives", 1), scale), scale);
}

TEST(MeanTopk, KeepsTheBestOfEveryRow) {
  for (const TestGeometry& test : test_geometries()) {
    const Activations a(test, DType::float32, 1);
    expect_best(a, {{"share", 0.55}}, 0.0);
    expect_best(a, {{"share", 0.4}, {"sink_blocks", 0}, {"local_blocks", 0}}, 0.7);
    expect_best(a, {{"share", 0.6}, {"representatives", 4}, {"local_blocks", 0}}, 0.5);
  }
}

TEST(MeanTopk, SharesKeysWithinAGroup) {
  for (const TestGeometry& test : grouped_geometries())
    expect_best(Activations(test, DType::float32, 3), {{"share", 0.4}, {"local_blocks", 0}}, 0.0);
}

TEST(MeanTopk, ReadsEveryElementType) {
  const TestGeometry test = padded("causal", true, {700, 700}, 128, 64);
  for (const DType dtype : {DType::float16, DType::bfloat16})
    expect_best(Activations(test, dtype, 2), {{"share", 0.4}, {"representatives", 2}, {"local_blocks", 0}}, 0.0);
}

std::vector<int> last_row(const Activations& a, const json& parameters) {
  const HostBlockMask mask = to_host(patterns::make_mask("mean_topk", a.request(), parameters));
  const std::size_t row = mask.row_ptr.extent(0) - 2;
  return {mask.col_idx.data() + mask.row_ptr(row), mask.col_idx.data() + mask.row_ptr(row + 1)};
}

TEST(MeanTopk, TiesGoToTheLowerIndex) {
  const TestGeometry test = padded("", true, {640, 640}, 64, 64, 1, 1);
  Activations a(test, DType::float32, 1);
  std::fill_n(static_cast<float*>(a.k.data()), a.k.size(), 1.0f);
  a.upload();
  // Five of ten: the diagonal and four of the equal ones.
  const json parameters = {{"share", 0.5}, {"sink_blocks", 0}, {"local_blocks", 0}};
  EXPECT_EQ(last_row(a, parameters), (std::vector<int>{0, 1, 2, 3, 9}));
}

TEST(MeanTopk, NotANumberLosesAgainstEverything) {
  const TestGeometry test = padded("", true, {640, 640}, 64, 64, 1, 1);
  Activations a(test, DType::float32, 1);
  std::fill_n(static_cast<float*>(a.q.data()), a.q.size(), 1.0f);
  for (long i = 0; i < 640; ++i)  // the later the block, the lower its score; block 0 has one NaN, block 2 is infinite
    std::fill_n(static_cast<float*>(a.k.data()) + i * kDim, kDim, -static_cast<float>(i / 64));
  static_cast<float*>(a.k.data())[5] = std::numeric_limits<float>::quiet_NaN();
  static_cast<float*>(a.k.data())[128 * kDim] = -std::numeric_limits<float>::infinity();
  a.upload();
  const json parameters = {{"share", 0.5}, {"sink_blocks", 0}, {"local_blocks", 0}};
  EXPECT_EQ(last_row(a, parameters), (std::vector<int>{1, 3, 4, 5, 9}));
  EXPECT_EQ(last_row(a, {{"share", 0.9}, {"sink_blocks", 0}, {"local_blocks", 0}}),
            (std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

}  // namespace
}  // namespace halftone::testing
