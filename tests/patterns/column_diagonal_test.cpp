// Columns and diagonals chosen by sampled attention, against the attention computed plainly.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "activations.hpp"
#include "halftone/patterns/ranks.hpp"
#include "naive_rules.hpp"

namespace halftone::testing {
namespace {

using nlohmann::json;

TEST(Ranks, OrderEveryRow) {
  for (const long columns : {1L, 2L, 3L, 7L, 64L, 100L, 257L}) {
    const patterns::Scores scores("scores", 3, columns);
    const auto host = Kokkos::create_mirror_view(scores);
    for (long r = 0; r < 3; ++r)
      for (long c = 0; c < columns; ++c)
        host(r, c) = static_cast<float>(static_cast<int>(Philox{5}.below(r * 1000 + c, 41)) - 20);  // with ties
    host(1, columns / 2) = std::nanf("");
    host(2, columns / 3) = -std::numeric_limits<float>::infinity();
    Kokkos::deep_copy(scores, host);
    const auto ranks = Kokkos::create_mirror_view_and_copy(HostSpace{}, patterns::rank_rows(scores));
    for (long r = 0; r < 3; ++r) {
      std::vector<long> order(columns);
      std::iota(order.begin(), order.end(), 0L);
      const auto value = [&](long c) { return std::isnan(host(r, c)) ? -1e300 : double{host(r, c)}; };
      std::stable_sort(order.begin(), order.end(), [&](long a, long b) { return value(a) > value(b); });
      for (long rank = 0; rank < columns; ++rank) EXPECT_EQ(ranks(r, order[rank]), rank) << columns << " row " << r;
    }
  }
}

/// Softmax of the mean of queries [first, last) over the keys that the last one sees.
Vector attention(const Activations& a, long b, long head, long first, long last) {
  const Vector query = a.mean_query(b, head, first, last);
  Vector row(keys_seen(a.test, b, last - 1), 0.0);
  for (std::size_t j = 0; j < row.size(); ++j)
    for (long d = 0; d < kDim; ++d) row[j] += real_scale(0.0) * query[d] * a.key(b, head, static_cast<long>(j), d);
  softmax(row);
  return row;
}

/// Whether each score is among the `count` best, the earlier first among equals; fails where a float could take another
/// one for the last of them.
std::vector<bool> best_of(const Vector& scores, long count) {
  std::vector<long> order(scores.size());
  std::iota(order.begin(), order.end(), 0L);
  std::stable_sort(order.begin(), order.end(), [&](long a, long b) { return scores[a] > scores[b]; });
  count = std::min<long>(count, scores.size());
  std::vector<bool> best(scores.size(), false);
  for (long i = 0; i < count; ++i) best[order[i]] = true;
  if (count > 0 && count < static_cast<long>(scores.size()) && scores[order[count]] > 0.0) {
    EXPECT_GT(scores[order[count - 1]] - scores[order[count]], 1e-6 * scores[order[count]]) << "a tie in the test";
  }
  return best;
}

/// The rule of one list: may row i use column j?
using ListRule = std::function<bool(long i, long j)>;

/// Checks the mask block by block; `rule` makes the rule of (sequence, head).
template <class MakeRule>
void expect_rule(const char* pattern, const Activations& a, const json& parameters, const MakeRule& rule) {
  const TestGeometry& test = a.test;
  const MaskGeometry g = test.on_host();
  SCOPED_TRACE(fmt::format("{} {} on {}", pattern, parameters.dump(), test.name));
  const HostBlockMask mask = to_host(patterns::make_mask(pattern, a.request(), parameters));
  ASSERT_NO_THROW(validate(mask));
  ASSERT_EQ(mask.heads, g.heads);
  ASSERT_EQ(mask.batch, g.batch);
  const json used = json::parse(mask.parameters);
  for (const auto& item : parameters.items()) EXPECT_EQ(used.at(item.key()), item.value());
  const bool elements = used.at("granularity") == "element";
  for (long b = 0; b < g.batch; ++b)
    for (long head = 0; head < g.heads; ++head) {
      const Lengths l = test.lengths[b];
      if (l.q == 0) continue;
      const ListRule allowed = rule(b, head, used, elements ? 1L : long{g.block_k});
      long wrong = 0;
      for (long tile = 0; tile < mask.tiles; ++tile) {
        const long row = mask.view().row(b, head, g.heads, tile);
        for (long block = 0; block < mask.blocks; ++block) {
          long entry = -1;
          for (long e = mask.row_ptr(row); e < mask.row_ptr(row + 1); ++e)
            if (mask.col_idx(e) == block) entry = e;
          bool whole = false, listed = false;
          for (long i = tile * g.block_q; i < std::min((tile + 1) * g.block_q, l.q); ++i)
            if (keys_seen(test, b, i) > 0) whole |= !elements && allowed(floored(i + l.k - l.q, g.block_k), block);
          for (long i = tile * g.block_q; i < std::min((tile + 1) * g.block_q, l.q); ++i)
            for (long j = block * g.block_k; j < std::min((block + 1) * g.block_k, keys_seen(test, b, i)); ++j) {
              const bool want = elements ? allowed(i + l.k - l.q, j) : whole;
              listed |= want;
              wrong += want != (entry >= 0 && mask.view().allows(entry, i, j, l.q, l.k));
            }
          wrong += listed != (entry >= 0);
        }
      }
      EXPECT_EQ(wrong, 0) << "sequence " << b << ", head " << head;
    }
}

void expect_vertical_slash(const Activations& a, const json& parameters) {
  expect_rule("vertical_slash", a, parameters, [&](long b, long head, const json& p, long unit) -> ListRule {
    const MaskGeometry g = a.test.on_host();
    const Lengths l = a.test.lengths[b];
    const long units = (l.k + unit - 1) / unit, back = (g.seq_k + g.seq_q) / unit + 2;
    Vector columns(units, 0.0), diagonals(2 * back, 0.0);
    for (long i = std::max(0L, l.q - p.at("queries").get<long>()); i < l.q; ++i) {
      const Vector row = attention(a, b, head, i, i + 1);
      for (std::size_t j = 0; j < row.size(); ++j) {
        columns[j / unit] += row[j];
        diagonals[floored(i + l.k - l.q, unit) - static_cast<long>(j) / unit + back] += row[j];
      }
    }
    const long step = g.block_k / unit, list = b * g.heads + head, sink = p.at("sink_blocks").get<long>() * step;
    const double vertical = p.at("vertical"), slash = p.at("slash");
    std::vector<std::vector<bool>> best_columns, best_diagonals;  // by number of them
    for (long count = 0; count <= std::ceil(vertical); ++count) best_columns.push_back(best_of(columns, count));
    for (long count = 0; count <= std::ceil(slash); ++count) best_diagonals.push_back(best_of(diagonals, count));
    return [=](long i, long j) {
      const long row = floored(i, step);
      return i == j || j < sink || best_columns[naive_count(vertical, step, 0, row, list)][j] ||
             best_diagonals[naive_count(slash, step, 0, row, list)][i - j + back];
    };
  });
}

TEST(VerticalSlash, KeepsTheBestColumnsAndDiagonals) {
  for (const TestGeometry& test : test_geometries()) {
    const Activations a(test, DType::float32, 1);
    expect_vertical_slash(a, {{"vertical", 1}, {"slash", 1}, {"sink_blocks", 0}});
    expect_vertical_slash(a, {{"vertical", 0.6}, {"slash", 0.7}, {"queries", 30}, {"sink_blocks", 0}});
    expect_vertical_slash(a, {{"vertical", 0}, {"slash", 0}});
    expect_vertical_slash(
        a, {{"granularity", "element"}, {"vertical", 9}, {"slash", 1}, {"queries", 20}, {"sink_blocks", 0}});
  }
  for (const TestGeometry& grouped : grouped_geometries())
    expect_vertical_slash(Activations(grouped, DType::bfloat16, 3), {{"vertical", 1}, {"slash", 2}});
}

void expect_landmarks(const Activations& a, const json& parameters) {
  expect_rule("landmark_adaptive", a, parameters, [&](long b, long head, const json& p, long unit) -> ListRule {
    const MaskGeometry g = a.test.on_host();
    const Lengths l = a.test.lengths[b];
    const long units = (l.k + unit - 1) / unit, step = g.block_k / unit;
    Vector columns(units, 0.0);
    for (long first = 0; first < l.q; first += g.block_q) {
      const Vector row = attention(a, b, head, first, std::min(first + g.block_q, l.q));
      for (std::size_t j = 0; j < row.size(); ++j) columns[j / unit] += row[j];
    }
    const long stride = p.at("stride"), count = static_cast<long>(std::ceil(static_cast<double>(units) / stride));
    const std::vector<bool> landmark = best_of(columns, count);
    const long sink = p.at("sink_blocks").get<long>() * step;
    const double window = p.at("window");
    return [=](long i, long j) {
      return j < sink || std::labs(i - j) < naive_count(window, step, 1, floored(i, step)) || landmark[j];
    };
  });
}

TEST(AdaptiveLandmarks, AreTheColumnsWithMostAttention) {
  for (const TestGeometry& test : test_geometries()) {
    const Activations a(test, DType::float32, 1);
    expect_landmarks(a, {{"window", 1}, {"stride", 3}, {"sink_blocks", 0}});
    expect_landmarks(a, {{"window", 1.6}, {"stride", 2}});
    expect_landmarks(a, {{"granularity", "element"}, {"window", 20}, {"stride", 40}, {"sink_blocks", 0}});
  }
  for (const TestGeometry& grouped : grouped_geometries())
    expect_landmarks(Activations(grouped, DType::float16, 3), {{"window", 1}, {"stride", 4}});
}

// A column that every query looks at, and a diagonal, planted.
TEST(VerticalSlash, FindsWhatIsThere) {
  const TestGeometry test = padded("", true, {1280, 1280}, 64, 64, 1, 1);
  Activations a(test, DType::float32, 1);
  auto *q = static_cast<float*>(a.q.data()), *k = static_cast<float*>(a.k.data());
  std::fill_n(q, a.q.size(), 0.0f);
  std::fill_n(k, a.k.size(), 0.0f);
  for (long i = 0; i < 1280; ++i) q[i * kDim] = 10.0f;
  k[(5 * 64 + 10) * kDim] = 10.0f;
  for (long i = 0; i < 1280; ++i) {  // rows 1216 and on see the keys 448 before them, block 12 for block 19
    q[i * kDim + 1 + (i / 64) % 10] = 10.0f;
    k[i * kDim + 1 + (i / 64 + 7) % 10] = i / 64 == 12 ? 10.0f : 0.0f;
  }
  a.upload();
  const json parameters = {{"vertical", 1}, {"slash", 1}, {"sink_blocks", 0}};
  const HostBlockMask mask = to_host(patterns::make_mask("vertical_slash", a.request(), parameters));
  const auto row = [&](long r) {
    return std::vector<int>(mask.col_idx.data() + mask.row_ptr(r), mask.col_idx.data() + mask.row_ptr(r + 1));
  };
  EXPECT_EQ(row(19), (std::vector<int>{12, 19}));
  EXPECT_EQ(row(9), (std::vector<int>{2, 9}));
}

}  // namespace
}  // namespace halftone::testing
