// The patterns that keep the best blocks of each row, against scores computed plainly: bounds, antidiagonals, chance.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "topk_checks.hpp"

namespace halftone::testing {
namespace {

using nlohmann::json;

/// Sums over the runs of the softmax of upper bounds: the largest product of the mean query with a corner of the
/// block's bounding box, which is that of the best of 2^dim corners, dimension by dimension.
NaiveScores naive_bounds(const Activations& a, long reps, double scale) {
  return [&a, reps, scale](long b, long head, long tile, long visible) {
    const MaskGeometry g = a.test.on_host();
    const Lengths l = a.test.lengths[b];
    const long run = g.block_q / reps;
    Vector scores(visible, 0.0);
    for (long first = tile * g.block_q; first < std::min((tile + 1) * g.block_q, l.q); first += run) {
      const Vector query = a.mean_query(b, head, first, std::min(first + run, l.q));
      Vector bound(visible, 0.0);
      for (long c = 0; c < visible; ++c)
        for (long d = 0; d < kDim; ++d) {
          double best = -1e300;
          for (long j = c * g.block_k; j < std::min((c + 1) * g.block_k, l.k); ++j)
            best = std::max(best, real_scale(scale) * query[d] * a.key(b, head, j, d));
          bound[c] += best;
        }
      if (reps == 1) return bound;
      softmax(bound);
      for (long c = 0; c < visible; ++c) scores[c] += bound[c];
    }
    return scores;
  };
}

TEST(MinMax, KeepsTheBestOfEveryRow) {
  for (const TestGeometry& test : test_geometries()) {
    const Activations a(test, DType::float32, 1);
    const auto expect = [&](const json& parameters, double scale) {
      expect_topk("minmax", a, parameters, naive_bounds(a, parameters.value("representatives", 8), scale), scale);
    };
    expect({{"share", 0.55}, {"local_blocks", 0}}, 0.0);
    expect({{"share", 0.4}, {"sink_blocks", 0}, {"local_blocks", 0}, {"representatives", 1}}, 0.2);
    expect({{"share", 0.4}, {"sink_blocks", 0}, {"local_blocks", 0}, {"representatives", 4}}, -0.1);
  }
  for (const TestGeometry& grouped : grouped_geometries()) {
    const Activations a(grouped, DType::bfloat16, 3);
    expect_topk("minmax", a, {{"share", 0.5}, {"sink_blocks", 0}, {"local_blocks", 0}}, naive_bounds(a, 8, 0.0));
  }
}

// A block with one far key has the largest bound, though its mean is nothing.
TEST(MinMax, FindsTheLoneKeyThatMeansHide) {
  const TestGeometry test = padded("", true, {640, 640}, 64, 64, 1, 1);
  Activations a(test, DType::float32, 1);
  std::fill_n(static_cast<float*>(a.q.data()), a.q.size(), 1.0f);
  for (long d = 0; d < kDim; ++d) {
    static_cast<float*>(a.k.data())[(4 * 64 + 7) * kDim + d] = 9.0f;
    static_cast<float*>(a.k.data())[(4 * 64 + 8) * kDim + d] = -9.0f;
  }
  a.upload();
  const auto last_row = [&](const char* pattern) {
    const HostBlockMask mask = to_host(patterns::make_mask(
        pattern, a.request(), {{"share", 0.2}, {"sink_blocks", 0}, {"local_blocks", 0}, {"representatives", 1}}));
    return std::vector<int>(mask.col_idx.data() + mask.row_ptr(9), mask.col_idx.data() + mask.row_ptr(10));
  };
  EXPECT_EQ(last_row("minmax"), (std::vector<int>{4, 9}));
  EXPECT_NE(last_row("mean_topk"), (std::vector<int>{4, 9}));
}

/// XAttention's scores from its definition: chunks of `stride` queries and keys, the sum over the pairs of their square
/// that lie on its main antidiagonal, softmax over the chunks of keys that the chunk's last query sees.
NaiveScores naive_antidiagonals(const Activations& a, long stride, double scale) {
  return [&a, stride, scale](long b, long head, long tile, long visible) {
    const MaskGeometry g = a.test.on_host();
    const Lengths l = a.test.lengths[b];
    Vector scores(visible, 0.0);
    for (long first = tile * g.block_q; first < std::min((tile + 1) * g.block_q, l.q); first += stride) {
      const long seen = keys_seen(a.test, b, std::min(first + stride, l.q) - 1);
      Vector chunk((seen + stride - 1) / stride, 0.0);
      for (long i = first; i < std::min(first + stride, l.q); ++i)
        for (long j = 0; j < std::min<long>(chunk.size() * stride, l.k); ++j) {
          if ((i - first) + j % stride != stride - 1) continue;
          for (long d = 0; d < kDim; ++d)
            chunk[j / stride] += real_scale(scale) / stride * a.query(b, head, i, d) * a.key(b, head, j, d);
        }
      softmax(chunk);
      for (std::size_t c = 0; c < chunk.size(); ++c) scores[c * stride / g.block_k] += chunk[c];
    }
    return scores;
  };
}

TEST(Antidiagonal, KeepsTheBestOfEveryRow) {
  for (const TestGeometry& test : test_geometries()) {
    const Activations a(test, DType::float32, 1);
    const auto expect = [&](const json& parameters, double scale) {
      expect_topk("antidiagonal", a, parameters, naive_antidiagonals(a, parameters.value("stride", 16), scale), scale);
    };
    expect({{"share", 0.7}, {"local_blocks", 0}}, 0.0);
    expect({{"share", 0.8}, {"sink_blocks", 0}, {"local_blocks", 0}, {"stride", 8}}, 1.5);
    expect({{"share", 0.4}, {"share_of", "blocks"}, {"sink_blocks", 0}, {"local_blocks", 0}, {"stride", 4}}, 0.5);
    expect({{"share", 0.0}}, 0.0);
    expect({{"share", 0.0}, {"sink_blocks", 0}, {"local_blocks", 0}}, 0.0);
    expect({{"share", 1.0}, {"sink_blocks", 0}, {"local_blocks", 0}}, 0.0);
  }
  for (const TestGeometry& grouped : grouped_geometries()) {
    const Activations a(grouped, DType::float16, 3);
    expect_topk("antidiagonal", a, {{"share", 0.7}, {"sink_blocks", 0}, {"local_blocks", 0}},
                naive_antidiagonals(a, 16, 0.0));
  }
}

/// The documented keys of the random numbers.
NaiveScores naive_chance(const TestGeometry& test, std::uint64_t seed) {
  return [&test, seed](long b, long head, long tile, long visible) {
    Vector scores(visible);
    for (long c = 0; c < visible; ++c)
      scores[c] = Philox{seed, static_cast<std::uint64_t>(b * test.geometry.heads + head)}.uniform(
          static_cast<std::uint64_t>(tile) << 32 | static_cast<std::uint64_t>(c));
    return scores;
  };
}

TEST(RandomBlocks, AreAsManyAsTheShareSays) {
  for (const TestGeometry& test : test_geometries()) {
    const Activations a(test, DType::float32, 1);
    expect_topk("random", a, {{"share", 0.55}}, naive_chance(test, 7), 0.0, 7);
    expect_topk("random", a, {{"share", 0.3}, {"sink_blocks", 0}, {"local_blocks", 0}, {"seed", 12}},
                naive_chance(test, 12));
  }
}

// Every block of a long row is as likely as another, and heads differ.
TEST(RandomBlocks, AreSpreadEvenly) {
  const TestGeometry test = padded("", false, {6400, 6400}, 64, 64, 1, 8);
  patterns::PatternRequest request;
  request.geometry = test.geometry;
  const HostBlockMask mask =
      to_host(patterns::make_mask("random", request, {{"share", 0.2}, {"sink_blocks", 0}, {"local_blocks", 0}}));
  std::vector<int> hits(100, 0);
  std::set<std::vector<int>> rows;
  for (long row = 0; row < 800; ++row) {
    for (long e = mask.row_ptr(row); e < mask.row_ptr(row + 1); ++e) ++hits[mask.col_idx(e)];
    rows.insert({mask.col_idx.data() + mask.row_ptr(row), mask.col_idx.data() + mask.row_ptr(row + 1)});
  }
  EXPECT_EQ(rows.size(), 800u);
  // Binomial with p = 19/99 over 792 rows, and the diagonal's 8: standard deviation 11; five of them.
  for (const int h : hits) EXPECT_NEAR(h, 160, 56);
}

}  // namespace
}  // namespace halftone::testing
