// Mean-pooled top-k against a plain host computation.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "geometries.hpp"
#include "halftone/patterns/pattern.hpp"
#include "naive_rules.hpp"
#include "support/random.hpp"

namespace halftone::testing {
namespace {

using nlohmann::json;
using Vector = std::vector<double>;

constexpr long kDim = 12;

/// Host activations, float32 values after rounding to `dtype`.
struct Activations {
  HostTensor q, k, q_float, k_float;
  Tensor device_q, device_k;

  Activations(const TestGeometry& test, DType dtype, long heads_kv) {
    const std::int64_t batch = test.packed() ? 1 : test.geometry.batch;
    std::int64_t total_q = 0, total_k = 0;
    for (const Lengths& l : test.lengths) {
      total_q += l.q;
      total_k += l.k;
    }
    q = random_tensor(dtype, {batch, test.geometry.heads, total_q / batch, kDim}, 1, 2.0f);
    k = random_tensor(dtype, {batch, heads_kv, total_k / batch, kDim}, 2, 2.0f);
    upload();
  }

  void upload() {
    q_float = convert(q, DType::float32);
    k_float = convert(k, DType::float32);
    device_q = to_device(q);
    device_k = to_device(k);
  }
};

Vector mean_rows(const HostTensor& x, long batch, long head, long first, long last) {
  Vector mean(kDim, 0.0);
  for (long i = first; i < last; ++i)
    for (long d = 0; d < kDim; ++d) mean[d] += x.view<float>()(batch, head, i, d) / static_cast<double>(last - first);
  return mean;
}

/// Scores of one row over its visible blocks.
Vector naive_scores(const TestGeometry& test, const Activations& a, long b, long head, long tile, long visible,
                    long reps, double scale) {
  const MaskGeometry& g = test.geometry;
  const Lengths l = test.lengths[b];
  long begin_q = 0, begin_k = 0;
  for (long s = 0; test.packed() && s < b; ++s) {
    begin_q += test.lengths[s].q;
    begin_k += test.lengths[s].k;
  }
  const long batch = test.packed() ? 0 : b, group = g.heads / a.k.shape[1], run = g.block_q / reps;
  Vector scores(visible, 0.0);
  for (long first = tile * g.block_q; first < std::min((tile + 1) * g.block_q, l.q); first += run) {
    const Vector query = mean_rows(a.q_float, batch, head, begin_q + first, begin_q + std::min(first + run, l.q));
    Vector logit(visible, 0.0);
    for (long c = 0; c < visible; ++c) {
      const long end = std::min((c + 1) * g.block_k, l.k);
      const Vector key = mean_rows(a.k_float, batch, head / group, begin_k + c * g.block_k, begin_k + end);
      for (long d = 0; d < kDim; ++d) logit[c] += scale * query[d] * key[d];
    }
    if (reps == 1) return logit;
    const double peak = *std::max_element(logit.begin(), logit.end());
    double sum = 0.0;
    for (const double x : logit) sum += std::exp(x - peak);
    for (long c = 0; c < visible; ++c) scores[c] += std::exp(logit[c] - peak) / sum;
  }
  return scores;
}

/// Checks that every row keeps its forced blocks and the best of the others, as many as the share says.
void expect_best(const TestGeometry& test, const Activations& a, json parameters, double scale) {
  SCOPED_TRACE(test.name + " " + parameters.dump());
  const MaskGeometry& g = test.geometry;
  patterns::PatternRequest request;
  request.geometry = g;
  request.q = &a.device_q;
  request.k = &a.device_k;
  request.scale = static_cast<float>(scale);
  const HostBlockMask mask = to_host(patterns::make_mask("mean_topk", request, parameters));
  ASSERT_NO_THROW(validate(mask));
  ASSERT_EQ(mask.batch, g.batch);
  ASSERT_EQ(mask.heads, g.heads);
  parameters = json::parse(mask.parameters);
  const long sink = parameters.at("sink_blocks"), local = parameters.at("local_blocks");
  const double share = parameters.at("share");
  if (scale == 0.0) scale = 1.0 / std::sqrt(static_cast<double>(kDim));

  for (long b = 0; b < g.batch; ++b)
    for (long head = 0; head < g.heads; ++head)
      for (long tile = 0; tile < mask.tiles; ++tile) {
        const Lengths l = test.lengths[b];
        const long row = mask.view().row(b, head, g.heads, tile), visible = g.visible_blocks(b, tile);
        const long shift = l.k - l.q, last_query = std::min((tile + 1) * g.block_q, l.q) - 1;
        long first = tile * g.block_q + shift;
        if (g.causal) first = std::max(first, 0L);
        const long near_first = floored(first, g.block_k) - local;
        const long near_last = floored(last_query + shift, g.block_k) + (g.causal ? 0 : local);
        std::vector<bool> kept(visible, false);
        for (long e = mask.row_ptr(row); e < mask.row_ptr(row + 1); ++e) {
          ASSERT_LT(mask.col_idx(e), visible);
          kept[mask.col_idx(e)] = true;
          EXPECT_EQ(mask.kind(e), g.edge_kind(b, tile, mask.col_idx(e)));
        }
        if (visible == 0) continue;

        const Vector scores = naive_scores(test, a, b, head, tile, visible, parameters.at("representatives"), scale);
        double worst_kept = std::numeric_limits<double>::infinity(), best_left = -worst_kept;
        long forced = 0;
        for (long c = 0; c < visible; ++c) {
          if (c < sink || (c >= near_first && c <= near_last)) {
            EXPECT_TRUE(kept[c]) << "row " << row << ", block " << c;
            ++forced;
          } else if (kept[c]) {
            worst_kept = std::min(worst_kept, scores[c]);
          } else {
            best_left = std::max(best_left, scores[c]);
          }
        }
        EXPECT_GE(worst_kept, best_left - 1e-5) << "row " << row;
        const double wanted = share * visible;
        const long rounded = static_cast<long>(std::floor(wanted)) +
                             (naive_dither(tile, b * g.heads + head) < wanted - std::floor(wanted));
        EXPECT_EQ(mask.row_ptr(row + 1) - mask.row_ptr(row), std::max({rounded, forced, 1L})) << "row " << row;
      }
}

TEST(MeanTopk, KeepsTheBestOfEveryRow) {
  for (const TestGeometry& test : test_geometries()) {
    const Activations a(test, DType::float32, 1);
    expect_best(test, a, {{"share", 0.55}}, 0.0);
    expect_best(test, a, {{"share", 0.4}, {"sink_blocks", 0}, {"local_blocks", 0}}, 0.7);
    expect_best(test, a, {{"share", 0.6}, {"representatives", 4}, {"local_blocks", 0}}, 0.5);
  }
}

TEST(MeanTopk, SharesKeysWithinAGroup) {
  const TestGeometry test = padded("six heads, three of keys", true, {700, 700}, 64, 64, 2, 6);
  expect_best(test, Activations(test, DType::float32, 3), {{"share", 0.4}, {"local_blocks", 0}}, 0.0);
}

TEST(MeanTopk, ReadsEveryElementType) {
  const TestGeometry test = padded("causal", true, {700, 700}, 128, 64);
  for (const DType dtype : {DType::float16, DType::bfloat16})
    expect_best(test, Activations(test, dtype, 2), {{"share", 0.4}, {"representatives", 2}, {"local_blocks", 0}}, 0.0);
}

std::vector<int> last_row(const TestGeometry& test, const Activations& a, const json& parameters) {
  patterns::PatternRequest request;
  request.geometry = test.geometry;
  request.q = &a.device_q;
  request.k = &a.device_k;
  const HostBlockMask mask = to_host(patterns::make_mask("mean_topk", request, parameters));
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
  EXPECT_EQ(last_row(test, a, parameters), (std::vector<int>{0, 1, 2, 3, 9}));
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
  EXPECT_EQ(last_row(test, a, parameters), (std::vector<int>{1, 3, 4, 5, 9}));
  EXPECT_EQ(last_row(test, a, {{"share", 0.9}, {"sink_blocks", 0}, {"local_blocks", 0}}),
            (std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

}  // namespace
}  // namespace halftone::testing
