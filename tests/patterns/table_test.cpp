// The table of patterns, and what holds for all of them.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "geometries.hpp"
#include "halftone/patterns/halftone/halftone.hpp"
#include "halftone/patterns/pattern.hpp"
#include "support/random.hpp"

namespace halftone::testing {
namespace {

using nlohmann::json;

struct Activations {
  Tensor q, k;

  explicit Activations(const TestGeometry& test, int heads_kv = 1) {
    const std::int64_t batch = test.packed() ? 1 : test.geometry.batch;
    std::int64_t total_q = 0, total_k = 0;
    for (const Lengths& l : test.lengths) {
      total_q += l.q;
      total_k += l.k;
    }
    q = to_device(random_tensor(DType::bfloat16, {batch, test.geometry.heads, total_q / batch, 20}, 1));
    k = to_device(random_tensor(DType::bfloat16, {batch, heads_kv, total_k / batch, 20}, 2));
  }
};

void expect_equal(const HostBlockMask& a, const HostBlockMask& b) {
  ASSERT_EQ(a.kept(), b.kept());
  ASSERT_EQ(a.row_ptr.extent(0), b.row_ptr.extent(0));
  ASSERT_EQ(a.bits.extent(0), b.bits.extent(0));
  for (std::size_t i = 0; i < a.row_ptr.extent(0); ++i) ASSERT_EQ(a.row_ptr(i), b.row_ptr(i));
  for (std::int64_t e = 0; e < a.kept(); ++e) {
    ASSERT_EQ(a.col_idx(e), b.col_idx(e));
    ASSERT_EQ(a.kind(e), b.kind(e));
  }
  for (std::size_t i = 0; i < a.bits.extent(0); ++i) ASSERT_EQ(a.bits(i), b.bits(i));
  EXPECT_EQ(a.visible, b.visible);
  EXPECT_EQ(a.window_left, b.window_left);
  EXPECT_EQ(a.window_right, b.window_right);
}

TEST(PatternTable, DescribesEveryPatternOnce) {
  std::set<std::string_view> names;
  for (const patterns::PatternInfo& info : patterns::pattern_table()) {
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_FALSE(info.summary.empty()) << info.name;
    EXPECT_FALSE(info.source.empty()) << info.name;
    EXPECT_NE(info.complexity.find("time"), std::string_view::npos) << info.name;
    for (const patterns::ParameterInfo& p : info.parameters) {
      EXPECT_FALSE(p.default_value.empty()) << info.name << " " << p.name;
      EXPECT_FALSE(p.description.empty()) << info.name << " " << p.name;
    }
  }
  EXPECT_EQ(names, (std::set<std::string_view>{
                       "dense",        "causal",     "local",        "dilated",           "strided", "fixed",
                       "hierarchical", "longformer", "landmark",     "landmark_adaptive", "bigbird", "random",
                       "mean_topk",    "minmax",     "antidiagonal", "vertical_slash",    "lsh",     "routing",
                       "halftone",     "union",      "intersection", "per_head"}));
}

class AllPatterns : public ::testing::TestWithParam<const char*> {
 protected:
  const patterns::PatternInfo& info() const {
    for (const patterns::PatternInfo& p : patterns::pattern_table())
      if (p.name == GetParam()) return p;
    throw std::logic_error("no such pattern");
  }
};

TEST_P(AllPatterns, MakeValidAndReproducibleMasksEverywhere) {
  for (const TestGeometry& test : test_geometries()) {
    SCOPED_TRACE(test.name);
    const Activations activations(test);
    patterns::PatternRequest request;
    request.geometry = test.geometry;
    request.q = &activations.q;
    request.k = &activations.k;
    request.seed = 3;
    const HostBlockMask mask = to_host(patterns::make_mask(GetParam(), request));
    EXPECT_NO_THROW(validate(mask));
    EXPECT_GT(mask.kept(), 0);
    EXPECT_EQ(mask.pattern, GetParam());
    expect_equal(mask, to_host(patterns::make_mask(GetParam(), request)));
  }
}

TEST_P(AllPatterns, RecordEveryParameterAndUseTheTablesDefaults) {
  const TestGeometry test = padded("", true, {1500, 1500}, 128, 64);
  const Activations activations(test);
  patterns::PatternRequest request;
  request.geometry = test.geometry;
  request.q = &activations.q;
  request.k = &activations.k;
  const HostBlockMask mask = to_host(patterns::make_mask(GetParam(), request));
  json defaults = json::object();
  for (const patterns::ParameterInfo& p : info().parameters) {
    const std::string text(p.default_value);
    if (p.name == "seed") continue;
    defaults[std::string(p.name)] = json::accept(text) ? json::parse(text) : json(text);
  }
  expect_equal(mask, to_host(patterns::make_mask(GetParam(), request, defaults)));
  const json used = json::parse(mask.parameters);
  EXPECT_EQ(used.size(), info().parameters.size());
  for (const patterns::ParameterInfo& p : info().parameters) EXPECT_TRUE(used.contains(std::string(p.name))) << p.name;
}

INSTANTIATE_TEST_SUITE_P(Patterns, AllPatterns,
                         ::testing::Values("dense", "causal", "local", "dilated", "strided", "fixed", "hierarchical",
                                           "longformer", "landmark", "landmark_adaptive", "bigbird", "random",
                                           "mean_topk", "minmax", "antidiagonal", "vertical_slash", "lsh", "routing",
                                           "halftone", "union", "intersection", "per_head"));

TEST(HalftoneEntry, IsTheHalftonePatternOfOneLayer) {
  const TestGeometry test = padded("", true, {2000, 2000}, 128, 64);
  const Activations activations(test);
  patterns::HalftoneLayer layer;
  layer.q = &activations.q;
  layer.k = &activations.k;
  layer.scale = 0.3f;
  patterns::HalftoneOptions options;
  options.density = 0.4;
  patterns::PatternRequest request;
  request.geometry = test.geometry;
  request.q = &activations.q;
  request.k = &activations.k;
  request.scale = 0.3f;
  request.density = 0.4;
  const patterns::HalftoneResult expected = patterns::select_halftone({&layer, 1}, test.geometry, options);
  const HostBlockMask mask = to_host(patterns::make_mask("halftone", request));
  expect_equal(mask, to_host(expected.layers[0].mask));
  EXPECT_NEAR(mask.density(), 0.4, 0.01);
  EXPECT_EQ(json::parse(mask.parameters).at("tolerance").get<double>(), expected.tolerance);

  options = {};
  options.micro_block = 16;
  options.representatives = 32;
  options.aggregation = patterns::Aggregation::max;
  options.sink_blocks = 2;
  options.local_blocks = 0;
  options.tolerance = 0.05;
  request.density = 0.0;
  const json parameters = {{"micro_block", 16}, {"representatives", 32}, {"aggregation", "max"},
                           {"sink_blocks", 2},  {"local_blocks", 0},     {"tolerance", 0.05}};
  expect_equal(to_host(patterns::make_mask("halftone", request, parameters)),
               to_host(patterns::select_halftone({&layer, 1}, test.geometry, options).layers[0].mask));

  options = {};
  options.density = request.density = 0.4;
  options.moments = 1;
  options.block_mass = patterns::BlockMass::sum;
  options.scope = patterns::ToleranceScope::row;
  options.control = patterns::Control::permuted_scores;
  options.seed = request.seed = 11;
  expect_equal(to_host(patterns::make_mask(
                   "halftone", request,
                   {{"moments", 1}, {"block_mass", "sum"}, {"scope", "row"}, {"control", "permuted_scores"}})),
               to_host(patterns::select_halftone({&layer, 1}, test.geometry, options).layers[0].mask));
}

TEST(HalftoneEntry, SharesListsWithinGroups) {
  const TestGeometry test = padded("", true, {2000, 2000}, 128, 64, 1, 6);
  const Activations activations(test, 2);
  patterns::HalftoneLayer layer;
  layer.q = &activations.q;
  layer.k = &activations.k;
  patterns::HalftoneOptions options;
  options.density = 0.4;
  options.shared_lists = true;
  patterns::PatternRequest request;
  request.geometry = test.geometry;
  request.q = &activations.q;
  request.k = &activations.k;
  request.density = 0.4;
  const HostBlockMask mask = to_host(patterns::make_mask("halftone", request, {{"shared_lists", true}}));
  EXPECT_EQ(mask.heads, 2);
  EXPECT_EQ(json::parse(mask.parameters).at("shared_lists"), true);
  expect_equal(mask, to_host(patterns::select_halftone({&layer, 1}, test.geometry, options).layers[0].mask));
}

}  // namespace
}  // namespace halftone::testing
