// Wanted densities are met, wherever they can be.
#include "halftone/patterns/density.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "geometries.hpp"
#include "halftone/patterns/pattern.hpp"
#include "support/messages.hpp"
#include "support/random.hpp"

namespace halftone::testing {
namespace {

using nlohmann::json;

// Large enough that one block is less than the tolerance.
std::vector<TestGeometry> large_geometries() {
  return {padded("causal", true, {5000, 5000}, 128, 64, 1, 3),
          padded("square blocks", true, {3001, 3001}, 64, 64, 2, 2), padded("not causal", false, {1900, 1900}, 64, 64),
          padded("wide key blocks, fewer queries", true, {2700, 6100}, 64, 128),
          packed("packed", true, {{3000, 3000}, {700, 1900}, {2500, 2500}}, 128, 64)};
}

/// A request with activations when the pattern needs them.
struct Request : patterns::PatternRequest {
  Tensor queries, keys;

  Request(const TestGeometry& test, double wanted) {
    geometry = test.geometry;
    density = wanted;
    std::int64_t total_q = 0, total_k = 0;
    for (const Lengths& l : test.lengths) {
      total_q += l.q;
      total_k += l.k;
    }
    const std::int64_t batch = test.packed() ? 1 : geometry.batch;
    queries = to_device(random_tensor(DType::float32, {batch, geometry.heads, total_q / batch, 8}, 1));
    keys = to_device(random_tensor(DType::float32, {batch, 1, total_k / batch, 8}, 2));
    q = &queries;
    k = &keys;
  }
};

class Density : public ::testing::TestWithParam<const char*> {};

TEST_P(Density, IsMet) {
  for (const TestGeometry& test : large_geometries())
    for (const double wanted : {0.2, 0.31, 0.5, 0.93, 1.0}) {
      SCOPED_TRACE(fmt::format("{} on {}", wanted, test.name));
      const BlockMask mask = patterns::make_mask(GetParam(), Request(test, wanted));
      EXPECT_NEAR(mask.density(), wanted, 0.002) << mask.parameters;
      EXPECT_NO_THROW(validate(to_host(mask)));
    }
}

TEST_P(Density, RunsAgainFromTheRecordedParameters) {
  const TestGeometry test = large_geometries().front();
  Request request(test, 0.15);
  request.seed = 77;
  const HostBlockMask mask = to_host(patterns::make_mask(GetParam(), request));
  request.density = 0.0;
  request.seed = 1;
  const HostBlockMask again = to_host(patterns::make_mask(GetParam(), request, json::parse(mask.parameters)));
  ASSERT_EQ(again.kept(), mask.kept());
  for (std::int64_t e = 0; e < mask.kept(); ++e) ASSERT_EQ(again.col_idx(e), mask.col_idx(e));
  EXPECT_EQ(again.parameters, mask.parameters);
}

TEST_P(Density, UnreachableNamesTheRange) {
  const TestGeometry test = large_geometries().front();
  const std::string message =
      message_of<InvalidArgument>([&] { patterns::make_mask(GetParam(), Request(test, 0.01)); });
  EXPECT_NE(message.find("density: got 0.01, expected "), std::string::npos) << message;
  double least = 0.0;
  ASSERT_EQ(std::sscanf(message.c_str(), "density: got 0.01, expected %lf", &least), 1) << message;
  EXPECT_NE(message.find(std::string("to 1.0000, what pattern ") + GetParam()), std::string::npos) << message;
  EXPECT_NEAR(patterns::make_mask(GetParam(), Request(test, least)).density(), least, 0.002);
}

INSTANTIATE_TEST_SUITE_P(Patterns, Density,
                         ::testing::Values("local", "strided", "fixed", "longformer", "landmark", "landmark_adaptive",
                                           "bigbird", "random", "mean_topk", "minmax", "antidiagonal", "vertical_slash",
                                           "union"));

TEST(ElementDensity, IsMet) {
  const TestGeometry test = padded("", true, {3000, 3000}, 128, 64);
  for (const char* pattern : {"local", "longformer", "strided"})
    for (const double wanted : {0.25, 0.6}) {
      SCOPED_TRACE(fmt::format("{} {}", pattern, wanted));
      const BlockMask mask =
          patterns::make_mask(pattern, Request(test, wanted), json::parse(R"({"granularity": "element"})"));
      EXPECT_NEAR(mask.density(), wanted, 0.002) << mask.parameters;
    }
}

// Its levels alone keep 22 % of the shortest of these sequences.
TEST(HierarchicalDensity, IsMet) {
  for (const TestGeometry& test : large_geometries())
    for (const double wanted : {0.25, 0.5, 0.93, 1.0})
      EXPECT_NEAR(patterns::make_mask("hierarchical", Request(test, wanted)).density(), wanted, 0.002) << test.name;
}

// A window with gaps never holds more than one block in `dilation` beyond the sink.
TEST(DilatedDensity, EndsWhereTheWindowDoes) {
  for (const TestGeometry& test : large_geometries()) {
    const BlockMask mask = patterns::make_mask("dilated", Request(test, 0.2), json{{"dilation", 3}});
    EXPECT_NEAR(mask.density(), 0.2, 0.002) << test.name << mask.parameters;
    EXPECT_NEAR(patterns::make_mask("dilated", Request(test, 1.0), json{{"dilation", 1}}).density(), 1.0, 0.002);
  }
  const std::string message = message_of<InvalidArgument>([&] {
    patterns::make_mask("dilated", Request(large_geometries().at(1), 0.9), json{{"dilation", 4}});
  });
  EXPECT_NE(message.find("density: got 0.9, expected 0."), std::string::npos) << message;
}

// What a tight budget is spent on: a random column per row survives, the window shrinks.
TEST(BigBirdBudget, ShrinksTheWindowBeforeTheRandomColumns) {
  const TestGeometry test = large_geometries().front();
  const auto shares = [&](double density) {
    return json::parse(patterns::make_mask("bigbird", Request(test, density)).parameters);
  };
  const json ample = shares(0.3), tight = shares(0.14), least = shares(0.09);
  EXPECT_EQ(ample.at("window"), 3.0);
  EXPECT_GT(ample.at("random"), 1.0);
  EXPECT_EQ(tight.at("random"), 1.0);
  EXPECT_GT(tight.at("window"), 1.0);
  EXPECT_LT(tight.at("window"), 3.0);
  EXPECT_EQ(least.at("window"), 1.0);
  EXPECT_LT(least.at("random"), 1.0);
}

TEST(BigBirdBudget, LeavesAGivenWindowAlone) {
  const TestGeometry test = large_geometries().front();
  const BlockMask mask = patterns::make_mask("bigbird", Request(test, 0.3), json{{"window", 5.5}});
  EXPECT_EQ(json::parse(mask.parameters).at("window"), 5.5);
  EXPECT_NEAR(mask.density(), 0.3, 0.002);
}

// Both parts of the Sparse Transformer's patterns get about half of what the diagonal and the sink leave.
TEST(SparseTransformerBudget, IsSplitEvenly) {
  const TestGeometry test = padded("", true, {16384, 16384}, 64, 64);
  const auto density = [&](const char* pattern, const json& parameters) {
    return patterns::make_mask(pattern, Request(test, 0.0), parameters).density();
  };
  const double due = density("local", {{"window", 1}});
  json strided = json::parse(patterns::make_mask("strided", Request(test, 0.2)).parameters);
  strided["window"] = 1;
  EXPECT_NEAR(density("strided", strided), (due + 0.2) / 2.0, 0.02);
  json fixed = json::parse(patterns::make_mask("fixed", Request(test, 0.2)).parameters);
  fixed["summary"] = 0;
  EXPECT_NEAR(density("fixed", fixed), (due + 0.2) / 2.0, 0.02);
}

TEST(SolveBudget, FindsTheBudgetOfAStaircase) {
  int calls = 0;
  const auto kept = [&](double budget) {
    ++calls;
    return static_cast<std::int64_t>(std::floor(std::sqrt(budget) * 100.0));
  };
  const double budget = patterns::solve_budget("stairs", 0.25, 1000, 0.0, 100.0, kept);
  EXPECT_EQ(kept(budget), 250);
  EXPECT_LT(calls, 40);
  EXPECT_EQ(patterns::solve_budget("stairs", 1.0, 1000, 0.0, 100.0, kept), 100.0);
}

TEST(SolveInteger, TakesTheLastOneWithinTheTarget) {
  const auto rising = [](std::int64_t x) { return 10 * x; };
  const auto falling = [](std::int64_t x) { return 1000 / x; };
  EXPECT_EQ(patterns::solve_integer(47.0, 1, 100, rising), 4);
  EXPECT_EQ(patterns::solve_integer(5.0, 1, 100, rising), 1);     // the end that keeps less
  EXPECT_EQ(patterns::solve_integer(99.0, 1, 100, falling), 11);  // 1000 / 11 = 90
  EXPECT_EQ(patterns::solve_integer(3.0, 1, 100, falling), 100);
}

}  // namespace
}  // namespace halftone::testing
