#include "halftone/patterns/halftone/selection.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>

#include "halftone/patterns/halftone/halftone.hpp"
#include "problem.hpp"
#include "support/arrays.hpp"
#include "support/random.hpp"

namespace halftone {
namespace {

using testing::to_array;

using namespace patterns;
using testing::Case;
using testing::Problem;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Several layers over one geometry, with head weights, and which of their blocks compete with what score.
struct Layers {
  std::vector<Problem> problems;
  std::vector<HalftoneLayer> layers;

  Layers(const Case& c, const std::vector<std::vector<float>>& weights) {
    for (std::size_t l = 0; l < weights.size(); ++l) problems.emplace_back(c, l + 1);
    for (std::size_t l = 0; l < weights.size(); ++l) {
      layers.push_back(problems[l].layer());
      layers.back().head_weight = weights[l];
    }
  }
  const Problem& first() const { return problems.front(); }

  HalftoneResult select(const HalftoneOptions& options) const {
    return select_halftone(layers, first().geometry, options);
  }

  // Calls f(layer, kept, forced, score * weight) for every visible block.
  template <class F>
  void for_each_block(const HalftoneResult& result, const HalftoneOptions& options, const F& f) const {
    Problem p = first();
    p.c.options = options;
    for (std::size_t l = 0; l < layers.size(); ++l) {
      const auto scores = testing::to_vector(halftone_scores(layers[l], p.geometry, options));
      const auto kept = testing::kept_blocks(p, result.layers[l].mask);
      for (int b = 0; b < p.batch(); ++b)
        for (int h = 0; h < p.c.heads_q; ++h)
          for (int t = 0; t < p.tiles(); ++t)
            for (int block = 0; block < p.blocks(); ++block) {
              const std::size_t at = p.at(b, h, t, block);
              const float weight = layers[l].head_weight.empty() ? 1.0f : layers[l].head_weight[h];
              if (p.visible(b, t, block))
                f(l, kept[at], p.forced(b, t, block), scores[at] * weight);
              else
                ASSERT_FALSE(kept[at]) << "an invisible block was kept";
            }
    }
  }
};

TEST(FindTolerance, IsTheLargestPriorityLeftOut) {
  const std::vector<Array<float>> layers{to_array({0.5f, 0.25f, kInfinity, -kInfinity, 0.0f}),
                                         to_array({0.125f, 3.0f, 1e-30f, kInfinity, 0.5000001f})};
  const std::vector<float> ordered{3.0f, 0.5000001f, 0.5f, 0.25f, 0.125f, 1e-30f, 0.0f};
  for (std::size_t count = 0; count < ordered.size(); ++count)
    EXPECT_EQ(patterns::detail::find_tolerance(layers, static_cast<std::int64_t>(count)), ordered[count]);
  EXPECT_EQ(patterns::detail::find_tolerance(layers, 7), -1.0f);
  EXPECT_EQ(patterns::detail::find_tolerance(layers, 1000), -1.0f);
}

TEST(FindTolerance, LeavesTiesOutTogether) {
  const std::vector<Array<float>> layers{to_array({2.0f, 1.0f, 1.0f, 1.0f, 0.5f})};
  EXPECT_EQ(patterns::detail::find_tolerance(layers, 1), 1.0f);
  EXPECT_EQ(patterns::detail::find_tolerance(layers, 2), 1.0f);
  EXPECT_EQ(patterns::detail::find_tolerance(layers, 3), 1.0f);
  EXPECT_EQ(patterns::detail::find_tolerance(layers, 4), 0.5f);
}

TEST(FindTolerance, AgreesWithSorting) {
  const HostTensor random = testing::random_tensor(DType::float32, {1, 1, 1, 5000}, 9);
  std::vector<float> values(static_cast<const float*>(random.data()), static_cast<const float*>(random.data()) + 5000);
  for (float& x : values) x = std::exp(4.0f * x);
  const std::vector<Array<float>> layers{to_array({values.begin(), values.begin() + 1234}),
                                         to_array({values.begin() + 1234, values.end()})};
  std::sort(values.begin(), values.end(), std::greater<>());
  for (const int count : {0, 1, 17, 499, 2500, 4998, 4999})
    EXPECT_EQ(patterns::detail::find_tolerance(layers, count), values[count]) << count;
}

class Selection : public ::testing::TestWithParam<Case> {};

TEST_P(Selection, ForcesTheNearFieldAndNothingElseUnderAHighTolerance) {
  for (const auto& [sink, local] : {std::pair{1, 2}, {0, 0}, {3, 1}}) {
    Case c = GetParam();
    c.options.sink_blocks = sink;
    c.options.local_blocks = local;
    c.options.tolerance = 2.0;  // no share exceeds 1
    const Problem p(c);
    const HalftoneLayer layer = p.layer();
    const HalftoneResult result = select_halftone({&layer, 1}, p.geometry, c.options);
    const std::vector<bool> kept = testing::kept_blocks(p, result.layers[0].mask);
    for (int b = 0; b < p.batch(); ++b)
      for (int h = 0; h < c.heads_q; ++h)
        for (int t = 0; t < p.tiles(); ++t)
          for (int block = 0; block < p.blocks(); ++block)
            ASSERT_EQ(kept[p.at(b, h, t, block)], p.forced(b, t, block))
                << "batch " << b << " head " << h << " tile " << t << " block " << block;
    EXPECT_EQ(result.layers[0].mask.visible, p.visible_blocks());
    EXPECT_EQ(result.tolerance, 2.0);
    EXPECT_DOUBLE_EQ(result.density, static_cast<double>(p.forced_blocks()) / static_cast<double>(p.visible_blocks()));
  }
}

TEST_P(Selection, MakesAValidMaskWithTheKindsOfItsEdges) {
  Case c = GetParam();
  c.options.density = 1.0;
  const Problem p(c);
  const HalftoneLayer layer = p.layer();
  const HalftoneResult result = select_halftone({&layer, 1}, p.geometry, c.options);
  const HostBlockMask mask = to_host(result.layers[0].mask);
  ASSERT_NO_THROW(validate(mask));
  EXPECT_EQ(mask.kept(), p.visible_blocks());
  EXPECT_EQ(result.density, 1.0);
  EXPECT_EQ(mask.pattern, "halftone");
  const BlockMaskView view = mask.view();
  for (int b = 0; b < p.batch(); ++b)
    for (int h = 0; h < c.heads_q; ++h)
      for (int t = 0; t < p.tiles(); ++t) {
        const std::int64_t row = view.row(b, h, c.heads_q, t);
        for (std::int64_t e = mask.row_ptr(row); e < mask.row_ptr(row + 1); ++e)
          for (int i = t * 128; i < (t + 1) * 128; i += 13)
            for (int j = mask.col_idx(e) * c.block_k; j < (mask.col_idx(e) + 1) * c.block_k; ++j) {
              const bool real = i < c.len_q[b] && j < c.len_k[b];
              const bool seen = real && (!c.causal || j <= i + c.len_k[b] - c.len_q[b]);
              ASSERT_EQ(view.allows(e, i, j, c.len_q[b], c.len_k[b]), seen) << "query " << i << " key " << j;
            }
      }
}

INSTANTIATE_TEST_SUITE_P(Halftone, Selection, ::testing::ValuesIn(testing::all_cases()),
                         [](const auto& info) { return info.param.name; });

const Case kLong{.name = "long", .heads_q = 2, .heads_kv = 1, .dim = 32, .len_q = {8192}, .len_k = {8192}};

TEST(Budget, MeetsEveryDensityOverLayersOfDifferentWeights) {
  const Layers layers(kLong, {{1.0f, 0.25f}, {3.0f, 0.0f}, {}});
  for (const double density : {0.05, 0.1, 0.2, 0.5, 0.75}) {
    HalftoneOptions options{.sink_blocks = 0, .local_blocks = 0, .density = density};
    const HalftoneResult result = layers.select(options);
    std::int64_t kept = 0, visible = 0;
    for (const HalftoneSelection& layer : result.layers) {
      kept += layer.mask.kept();
      visible += layer.mask.visible;
    }
    EXPECT_EQ(kept, static_cast<std::int64_t>(density * static_cast<double>(visible) + 1e-6)) << density;
    EXPECT_DOUBLE_EQ(result.density, static_cast<double>(kept) / static_cast<double>(visible));
  }
}

TEST(Budget, OfOneKeepsEverythingEvenWithoutWeight) {
  const Layers layers(kLong, {{0.0f, 1.0f}, {0.0f, 0.0f}});
  const HalftoneResult result = layers.select({.density = 1.0});
  EXPECT_EQ(result.density, 1.0);
  EXPECT_LT(result.tolerance, 0.0);
}

TEST(Budget, NeverKeepsMoreThanAskedWhereScoresTie) {
  // Equal keys: within a tile all blocks have the same score, and heads have the same ones.
  const Problem random(kLong);
  HostTensor k("k", DType::float32, random.host_k.shape);
  std::fill_n(static_cast<float*>(k.data()), k.size(), 0.5f);
  const Problem p(kLong, random.host_q, k, random.host_v);
  const HalftoneLayer layer = p.layer();
  double last = 0.0;
  for (const double density : {0.2, 0.3, 0.5, 0.9}) {
    const HalftoneResult result = select_halftone({&layer, 1}, p.geometry, {.density = density});
    EXPECT_LE(result.density, density);
    EXPECT_GT(result.density, density - 0.06);  // one tile's blocks, of two heads: at most 256 of 8,320
    EXPECT_GE(result.density, last);
    last = result.density;
  }
}

TEST(OneTolerance, SeparatesWhatIsKeptFromWhatIsNotInEveryLayer) {
  const Layers layers(kLong, {{1.0f, 0.25f}, {3.0f, 0.5f}, {}});
  HalftoneOptions options{.density = 0.15};
  const HalftoneResult budget = layers.select(options);
  options.tolerance = budget.tolerance;
  options.density = 0.0;
  const HalftoneResult tolerance = layers.select(options);
  for (const HalftoneResult& result : {budget, tolerance}) {
    EXPECT_EQ(result.tolerance, budget.tolerance);
    const auto tau = static_cast<float>(result.tolerance);
    std::vector<int> competing_kept(layers.layers.size(), 0);
    layers.for_each_block(result, options, [&](std::size_t l, bool kept, bool forced, float priority) {
      if (forced)
        ASSERT_TRUE(kept);
      else
        ASSERT_EQ(kept, priority > tau) << "layer " << l << " priority " << priority << " tolerance " << tau;
      competing_kept[l] += kept && !forced;
    });
    // The weights decide who gets the budget.
    EXPECT_GT(competing_kept[1], competing_kept[0]);
    EXPECT_GT(competing_kept[1], competing_kept[2]);
  }
}

TEST(OneTolerance, KeepsASubsetWhenItGrows) {
  const Layers layers(kLong, {{1.0f, 0.5f}, {}});
  std::vector<std::vector<bool>> last(2);
  for (const double tolerance : {1e-4, 1e-2, 1.5e-2, 2e-2, 4e-2}) {
    const HalftoneResult result = layers.select({.tolerance = tolerance});
    for (std::size_t l = 0; l < 2; ++l) {
      const std::vector<bool> kept = testing::kept_blocks(layers.first(), result.layers[l].mask);
      for (std::size_t i = 0; i < last[l].size(); ++i) ASSERT_TRUE(last[l][i] || !kept[i]) << tolerance;
      if (!last[l].empty()) {
        EXPECT_LT(std::count(kept.begin(), kept.end(), true), std::count(last[l].begin(), last[l].end(), true));
      }
      last[l] = kept;
    }
  }
}

TEST(Selection, IsTheSameEveryTime) {
  const Layers layers(kLong, {{1.0f, 0.5f}, {}});
  const HalftoneResult once = layers.select({.density = 0.1}), again = layers.select({.density = 0.1});
  EXPECT_EQ(once.tolerance, again.tolerance);
  for (std::size_t l = 0; l < 2; ++l) {
    EXPECT_EQ(testing::to_vector(once.layers[l].mask.row_ptr), testing::to_vector(again.layers[l].mask.row_ptr));
    EXPECT_EQ(testing::to_vector(once.layers[l].mask.col_idx), testing::to_vector(again.layers[l].mask.col_idx));
    EXPECT_EQ(testing::to_vector(once.layers[l].mask.kind), testing::to_vector(again.layers[l].mask.kind));
  }
}

// Blocks kept by each layer, head and row, [layer][head][tile].
std::vector<std::vector<std::vector<int>>> kept_counts(const Layers& layers, const HalftoneResult& result) {
  const Problem& p = layers.first();
  std::vector counts(layers.layers.size(), std::vector(p.c.heads_q, std::vector<int>(p.tiles())));
  for (std::size_t l = 0; l < counts.size(); ++l) {
    const std::vector<bool> kept = testing::kept_blocks(p, result.layers[l].mask);
    for (int h = 0; h < p.c.heads_q; ++h)
      for (int t = 0; t < p.tiles(); ++t)
        for (int block = 0; block < p.blocks(); ++block) counts[l][h][t] += kept[p.at(0, h, t, block)];
  }
  return counts;
}

TEST(Scope, GivesEveryPartItsOwnDensity) {
  const Layers layers(kLong, {{1.0f, 0.25f}, {3.0f, 0.5f}});
  const int visible = 64 * 65;  // of a head: tile t sees 2 (t + 1) blocks
  for (const ToleranceScope scope : {ToleranceScope::layer, ToleranceScope::head, ToleranceScope::row}) {
    HalftoneOptions options{.sink_blocks = 0, .local_blocks = 0, .density = 0.2, .scope = scope};
    const HalftoneResult result = layers.select(options);
    EXPECT_TRUE(std::isnan(result.tolerance));
    EXPECT_NEAR(result.density, 0.2, 5e-3);  // rows round down, several at once
    EXPECT_LE(result.density, 0.2);
    for (const auto& layer : kept_counts(layers, result)) {
      int of_layer = 0;
      for (const std::vector<int>& head : layer) {
        int of_head = 0;
        for (int t = 0; t < 64; ++t) {
          of_head += head[t];
          // The diagonal takes two blocks; rows round down, which the common share makes up for.
          if (scope == ToleranceScope::row) {
            EXPECT_LE(head[t], std::max(2.0, 0.22 * 2 * (t + 1)));
            EXPECT_GE(head[t], std::max(2, static_cast<int>(0.2 * 2 * (t + 1))));
          }
        }
        if (scope == ToleranceScope::head) {
          EXPECT_EQ(of_head, static_cast<int>(0.2 * visible));
        }
        of_layer += of_head;
      }
      if (scope == ToleranceScope::layer) {
        EXPECT_EQ(of_layer, static_cast<int>(0.2 * 2 * visible));
      }
    }
  }
}

TEST(Scope, KeepsTheBestOfEveryPart) {
  const Layers layers(kLong, {{1.0f, 0.25f}, {3.0f, 0.5f}});
  for (const ToleranceScope scope : {ToleranceScope::layer, ToleranceScope::head, ToleranceScope::row}) {
    const HalftoneOptions options{.density = 0.1, .scope = scope};
    const HalftoneResult result = layers.select(options);
    for (std::size_t l = 0; l < 2; ++l) {
      const auto kept = testing::kept_blocks(layers.first(), result.layers[l].mask);
      const auto scores = testing::to_vector(halftone_scores(layers.layers[l], layers.first().geometry, options));
      std::map<int, std::pair<float, float>> bounds;  // of a part: the least kept, the largest left out
      for (int h = 0; h < 2; ++h)
        for (int t = 0; t < 64; ++t)
          for (int block = 0; block < 2 * (t + 1); ++block) {
            if (layers.first().forced(0, t, block)) continue;
            const int part = scope == ToleranceScope::layer ? 0 : scope == ToleranceScope::head ? h : h * 64 + t;
            auto& [least, most] = bounds.try_emplace(part, kInfinity, 0.0f).first->second;
            const std::size_t at = layers.first().at(0, h, t, block);
            const float priority = scores[at] * layers.layers[l].head_weight[h];
            if (kept[at])
              least = std::min(least, priority);
            else
              most = std::max(most, priority);
          }
      for (const auto& [part, bound] : bounds) EXPECT_GT(bound.first, bound.second) << "part " << part;
    }
  }
}

TEST(Scope, CountsEverySequenceOfAPackedBatch) {
  const Case c{.name = "packed",
               .heads_q = 4,
               .heads_kv = 2,
               .len_q = {2000, 1, 3000},
               .len_k = {2000, 1, 3000},
               .packed = true};
  const Problem p(c);
  const HalftoneLayer layer = p.layer();
  for (const ToleranceScope scope : {ToleranceScope::head, ToleranceScope::row}) {
    const HalftoneResult result = select_halftone({&layer, 1}, p.geometry, {.density = 0.6, .scope = scope});
    const std::vector<bool> kept = testing::kept_blocks(p, result.layers[0].mask);
    EXPECT_LE(result.density, 0.6);
    EXPECT_GT(result.density, 0.57);
    for (int h = 0; h < 4 && scope == ToleranceScope::head; ++h) {
      std::int64_t count = 0;
      for (int b = 0; b < p.batch(); ++b)
        for (int t = 0; t < p.tiles(); ++t)
          for (int block = 0; block < p.blocks(); ++block) count += kept[p.at(b, h, t, block)];
      EXPECT_EQ(count, p.visible_blocks() / 4 * 6 / 10);
    }
  }
}

TEST(Control, PermutedScoresKeepAsManyBlocksOfARowButOthers) {
  const Layers layers(kLong, {{1.0f, 0.25f}, {3.0f, 0.5f}});
  HalftoneOptions options{.density = 0.2};
  const HalftoneResult plain = layers.select(options);
  options.control = Control::permuted_scores;
  options.seed = 5;
  const HalftoneResult permuted = layers.select(options), again = layers.select(options);
  EXPECT_EQ(permuted.tolerance, plain.tolerance);
  EXPECT_EQ(kept_counts(layers, permuted), kept_counts(layers, plain));
  for (std::size_t l = 0; l < 2; ++l) {
    const auto columns = [&](const HalftoneResult& result) {
      return testing::to_vector(result.layers[l].mask.col_idx);
    };
    EXPECT_NE(columns(permuted), columns(plain));
    EXPECT_EQ(columns(permuted), columns(again));
    const std::vector<bool> kept = testing::kept_blocks(layers.first(), permuted.layers[l].mask);
    for (int t = 0; t < 64; ++t)
      for (int block = 0; block < 2 * (t + 1); ++block)
        if (layers.first().forced(0, t, block)) {
          EXPECT_TRUE(kept[layers.first().at(0, 1, t, block)]);
        }
  }
  options.seed = 6;
  EXPECT_NE(testing::to_vector(layers.select(options).layers[0].mask.col_idx),
            testing::to_vector(permuted.layers[0].mask.col_idx));
}

TEST(Control, RandomScoresKeepBlocksOfEveryDistanceAlike) {
  const Layers layers(kLong, {{}});
  const HalftoneResult result = layers.select(
      {.sink_blocks = 0, .local_blocks = 0, .density = 0.3, .control = Control::random_scores, .seed = 7});
  EXPECT_NEAR(result.density, 0.3, 1e-3);
  const std::vector<bool> kept = testing::kept_blocks(layers.first(), result.layers[0].mask);
  std::array<double, 4> share{};  // of the quarters of the last tile's past
  for (int h = 0; h < 2; ++h)
    for (int t = 48; t < 64; ++t)
      for (int block = 0; block < 96; ++block) share[block / 24] += kept[layers.first().at(0, h, t, block)] / 768.0;
  // The diagonal has 128 of each head's 4,160 blocks; 3.6 standard deviations.
  for (const double s : share) EXPECT_NEAR(s, (0.3 * 4160 - 128) / (4160 - 128), 0.06);
}

// One query run (8 queries of tile 50) that looks for one key of block 20, in a sequence of 8,192.
struct NeedleProblem {
  static constexpr int kTile = 50, kBlock = 20, kQuery = kTile * 128 + 40, kKey = kBlock * 64 + 21;

  // `balanced`: the other keys of the needle's micro-block cancel it, so that the mean key says nothing.
  static Problem make(bool balanced) {
    const Case c{.name = "needle", .heads_q = 1, .dim = 64, .len_q = {8192}, .len_k = {8192}};
    const HostTensor q = testing::random_tensor(DType::float32, {1, 1, 8192, 64}, 21),
                     k = testing::random_tensor(DType::float32, {1, 1, 8192, 64}, 22, 0.3f);
    auto* queries = static_cast<float*>(q.data());
    auto* keys = static_cast<float*>(k.data());
    for (int j = 0; j < 64; ++j) {
      const float direction = j % 3 ? 1.0f : -1.0f;
      for (int i = 0; i < 8; ++i) queries[(kQuery + i) * 64 + j] = direction;
      keys[kKey * 64 + j] = 16.0f * direction;
      for (int i = kKey / 16 * 16; balanced && i < kKey / 16 * 16 + 16; ++i)
        if (i != kKey) keys[i * 64 + j] = -16.0f / 15.0f * direction;
    }
    return Problem(c, q, k, k);
  }
};

TEST(Needle, IsFoundAtTenPercent) {
  for (const bool balanced : {false, true}) {
    const Problem p = NeedleProblem::make(balanced);
    const HalftoneLayer layer = p.layer();
    const HalftoneResult result = select_halftone({&layer, 1}, p.geometry, {.density = 0.1});
    ASSERT_FALSE(p.forced(0, NeedleProblem::kTile, NeedleProblem::kBlock));
    const std::vector<bool> kept = testing::kept_blocks(p, result.layers[0].mask);
    EXPECT_TRUE(kept[p.at(0, 0, NeedleProblem::kTile, NeedleProblem::kBlock)]) << "balanced " << balanced;
    EXPECT_NEAR(result.density, 0.1, 2e-4);
  }
}

TEST(Needle, IsFoundByItsSecondMoment) {
  // With its micro-block's mean cancelled, only the variance tells it from the other 100 blocks.
  const Problem p = NeedleProblem::make(true);
  const auto scores = testing::to_vector(halftone_scores(p.layer(), p.geometry, {}));
  const float needle = scores[p.at(0, 0, NeedleProblem::kTile, NeedleProblem::kBlock)];
  for (int block = 0; block < 100; ++block) {
    if (block == NeedleProblem::kBlock) continue;
    EXPECT_GT(needle, scores[p.at(0, 0, NeedleProblem::kTile, block)]) << block;
  }
}

}  // namespace
}  // namespace halftone
