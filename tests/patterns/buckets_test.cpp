// Hash buckets and clusters, and the blocks they choose, against plain computations.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "halftone/core/philox.hpp"
#include "halftone/patterns/random_order.hpp"
#include "topk_checks.hpp"

namespace halftone::testing {
namespace {

using nlohmann::json;
using Ids = std::vector<long>;

/// The index of the largest number; fails where a float could mistake it.
long first_largest(const Vector& x) {
  const long best = std::max_element(x.begin(), x.end()) - x.begin();
  for (long i = 0; i < static_cast<long>(x.size()); ++i)
    if (i != best && x[i] < x[best]) {
      EXPECT_LT(x[i], x[best] - 1e-6) << "a tie in the test";
    }
  return best;
}

/// Buckets of every query and key of one list, for every round.
struct ListIds {
  std::vector<Ids> q, k;
};

/// Pairs of the tile's queries and the block's keys with the same bucket, all rounds. `ids` makes those of a list.
template <class MakeIds>
NaiveScores naive_collisions(const TestGeometry& test, const MakeIds& ids) {
  std::vector<ListIds> lists;
  for (long b = 0; b < test.geometry.batch; ++b)
    for (long head = 0; head < test.geometry.heads; ++head) lists.push_back(ids(b, head));
  return [&test, lists](long b, long head, long tile, long visible) {
    const MaskGeometry g = test.on_host();
    const ListIds& list = lists[b * g.heads + head];
    Vector scores(visible, 0.0);
    for (std::size_t round = 0; round < list.q.size(); ++round)
      for (long i = tile * g.block_q; i < std::min((tile + 1) * g.block_q, test.lengths[b].q); ++i)
        for (long j = 0; j < std::min(visible * g.block_k, test.lengths[b].k); ++j)
          scores[j / g.block_k] += list.q[round][i] == list.k[round][j];
    return scores;
  };
}

/// Reformer's hash with the documented random numbers.
NaiveScores naive_lsh(const Activations& a, long buckets, long rounds, std::uint64_t seed) {
  return naive_collisions(a.test, [&](long b, long head) {
    const long heads_kv = a.k.shape[1], kv = head / (a.test.geometry.heads / heads_kv);
    const Lengths l = a.test.lengths[b];
    ListIds ids{std::vector<Ids>(rounds), std::vector<Ids>(rounds)};
    for (long round = 0; round < rounds; ++round) {
      const Philox random{seed, static_cast<std::uint64_t>(round * heads_kv + kv)};
      const auto hash = [&](const auto& x) {
        Vector products(buckets, 0.0);
        for (long c = 0; c < buckets / 2; ++c) {
          for (long d = 0; d < kDim; ++d) products[c] += x(d) * random.normal(c * kDim + d);
          products[c + buckets / 2] = -products[c];
        }
        return first_largest(products);
      };
      for (long i = 0; i < l.q; ++i) ids.q[round].push_back(hash([&](long d) { return a.query(b, head, i, d); }));
      for (long j = 0; j < l.k; ++j) ids.k[round].push_back(hash([&](long d) { return a.key(b, head, j, d); }));
    }
    return ids;
  });
}

TEST(Lsh, KeepsTheBlocksWithMostCollisions) {
  for (const TestGeometry& test : test_geometries()) {
    const Activations a(test, DType::float32, 1);
    expect_topk("lsh", a, {{"share", 0.5}, {"local_blocks", 0}, {"buckets", 16}}, naive_lsh(a, 16, 4, 9), 0.0, 9);
    expect_topk("lsh", a,
                {{"share", 0.4}, {"sink_blocks", 0}, {"local_blocks", 0}, {"buckets", 6}, {"rounds", 1}, {"seed", 3}},
                naive_lsh(a, 6, 1, 3));
  }
  for (const TestGeometry& grouped : grouped_geometries()) {
    const Activations a(grouped, DType::bfloat16, 3);
    expect_topk("lsh", a, {{"share", 0.5}, {"sink_blocks", 0}, {"local_blocks", 0}}, naive_lsh(a, 64, 4, 0));
  }
}

/// A list's k-means: unit rows (queries, then keys), Lloyd's iterations.
NaiveScores naive_routing(const Activations& a, long clusters, long iterations, std::uint64_t seed) {
  return naive_collisions(a.test, [&](long b, long head) {
    const Lengths l = a.test.lengths[b];
    std::vector<Vector> tokens;
    for (long t = 0; t < l.q + l.k; ++t) {
      Vector x(kDim);
      for (long d = 0; d < kDim; ++d) x[d] = t < l.q ? a.query(b, head, t, d) : a.key(b, head, t - l.q, d);
      double mean = 0.0, square = 0.0;
      for (const double value : x) mean += value / kDim;
      for (double& value : x) value -= mean, square += value * value;
      for (double& value : x) value /= std::sqrt(square);
      tokens.push_back(x);
    }
    Ids ids(tokens.size());
    if (tokens.empty()) return ListIds{{{}}, {{}}};
    const patterns::RandomOrder order(seed, b * a.test.geometry.heads + head, 0, tokens.size());
    std::vector<Vector> centroids;
    for (long c = 0; c < clusters; ++c) centroids.push_back(tokens[order.position(c % tokens.size())]);
    const auto assign = [&] {
      for (std::size_t t = 0; t < tokens.size(); ++t) {
        Vector products(clusters, 0.0);
        for (long c = 0; c < clusters; ++c)
          for (long d = 0; d < kDim; ++d) products[c] += tokens[t][d] * centroids[c][d];
        ids[t] = first_largest(products);
      }
    };
    for (long i = 0; i < iterations; ++i) {
      assign();
      for (long c = 0; c < clusters; ++c) {
        Vector sum(kDim, 0.0);
        for (std::size_t t = 0; t < tokens.size(); ++t)
          for (long d = 0; d < kDim && ids[t] == c; ++d) sum[d] += tokens[t][d];
        double square = 0.0;
        for (const double x : sum) square += x * x;
        for (long d = 0; d < kDim && square > 0.0; ++d) centroids[c][d] = sum[d] / std::sqrt(square);
      }
    }
    assign();
    return ListIds{{Ids(ids.begin(), ids.begin() + l.q)}, {Ids(ids.begin() + l.q, ids.end())}};
  });
}

TEST(Routing, KeepsTheBlocksWithMostPairsInOneCluster) {
  for (const TestGeometry& test : test_geometries()) {
    if (test.lengths.front().k == 1) continue;  // one query and one key: duplicate centroids tie
    const Activations a(test, DType::float32, 1);
    expect_topk("routing", a, {{"share", 0.5}, {"local_blocks", 0}, {"clusters", 7}, {"iterations", 2}},
                naive_routing(a, 7, 2, 9), 0.0, 9);
    expect_topk("routing", a, {{"share", 0.4}, {"sink_blocks", 0}, {"local_blocks", 0}, {"clusters", 4}, {"seed", 3}},
                naive_routing(a, 4, 5, 3));
  }
  for (const TestGeometry& grouped : grouped_geometries()) {
    const Activations a(grouped, DType::bfloat16, 3);
    expect_topk("routing", a,
                {{"share", 0.5}, {"sink_blocks", 0}, {"local_blocks", 0}, {"clusters", 5}, {"iterations", 3}},
                naive_routing(a, 5, 3, 0));
  }
}

/// Keys and queries of blocks c and c + 5 point in one direction of five.
void point_in_directions(Activations& a) {
  for (HostTensor* x : {&a.q, &a.k})
    for (long i = 0; i < 640; ++i)
      for (long d = 0; d < kDim; ++d) static_cast<float*>(x->data())[i * kDim + d] += d == i / 64 % 5 ? 40.0f : 0.0f;
  a.upload();
}

TEST(BucketPatterns, FindBlocksOfOneDirection) {
  const TestGeometry test = padded("", true, {640, 640}, 64, 64, 1, 1);
  Activations a(test, DType::float32, 1);
  point_in_directions(a);
  for (const char* pattern : {"lsh", "routing"}) {
    const HostBlockMask mask = to_host(patterns::make_mask(
        pattern, a.request(), {{"share", 0.2}, {"sink_blocks", 0}, {"local_blocks", 0}, {"seed", 5}}));
    EXPECT_EQ((std::vector<int>(mask.col_idx.data() + mask.row_ptr(9), mask.col_idx.data() + mask.row_ptr(10))),
              (std::vector<int>{4, 9}))
        << pattern;
  }
}

// Scaling a query or key changes no angle, so no bucket; routing does not see a shift either.
TEST(BucketPatterns, LookAtDirectionsOnly) {
  const TestGeometry test = padded("", true, {1000, 1000}, 128, 64);
  Activations a(test, DType::float32, 1), b(test, DType::float32, 1);
  for (long i = 0; i < b.k.size(); ++i) static_cast<float*>(b.k.data())[i] *= 1 << (i / kDim % 5);
  b.upload();
  for (const char* pattern : {"lsh", "routing"}) {
    const json parameters = {{"share", 0.3}};
    const HostBlockMask one = to_host(patterns::make_mask(pattern, a.request(), parameters));
    const HostBlockMask other = to_host(patterns::make_mask(pattern, b.request(), parameters));
    ASSERT_EQ(one.kept(), other.kept());
    for (long e = 0; e < one.kept(); ++e) ASSERT_EQ(one.col_idx(e), other.col_idx(e)) << pattern;
  }
}

}  // namespace
}  // namespace halftone::testing
