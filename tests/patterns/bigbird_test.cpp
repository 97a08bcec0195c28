// BigBird's random columns: how many, which, and that they are random.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "geometries.hpp"
#include "halftone/patterns/pattern.hpp"
#include "halftone/patterns/random_order.hpp"

namespace halftone::testing {
namespace {

using patterns::RandomOrder;

TEST(RandomOrder, IsABijection) {
  for (const std::uint32_t count : {1u, 2u, 3u, 4u, 5u, 7u, 8u, 9u, 31u, 33u, 100u, 1021u, 5000u}) {
    const RandomOrder order(3, 5, 7, count);
    std::vector<bool> seen(count, false);
    for (std::uint32_t x = 0; x < count; ++x) {
      const std::uint32_t position = order.position(x);
      ASSERT_LT(position, count);
      EXPECT_FALSE(seen[position]) << position << " of " << count;
      seen[position] = true;
    }
  }
}

TEST(RandomOrder, EveryMemberIsEquallyLikely) {
  constexpr int kTrials = 20000, kCount = 13, kSubset = 4;
  std::vector<int> hits(kCount, 0);
  for (int trial = 0; trial < kTrials; ++trial) {
    const RandomOrder order(99, 1, trial, kCount);
    for (int x = 0; x < kCount; ++x) hits[x] += order.position(x) < kSubset;
  }
  // Binomial with p = 4/13: standard deviation 65; five of them.
  for (int x = 0; x < kCount; ++x) EXPECT_NEAR(hits[x], kTrials * kSubset / kCount, 326) << x;
}

HostBlockMask make(const TestGeometry& test, const nlohmann::json& parameters, std::uint64_t seed = 5) {
  patterns::PatternRequest request;
  request.geometry = test.geometry;
  request.seed = seed;
  return to_host(patterns::make_mask("bigbird", request, parameters));
}

std::set<int> columns(const HostBlockMask& mask, long row) {
  std::set<int> result;
  for (long e = mask.row_ptr(row); e < mask.row_ptr(row + 1); ++e) result.insert(mask.col_idx(e));
  return result;
}

TEST(BigBird, EveryRowHasItsRandomColumns) {
  const TestGeometry causal = padded("", true, {1300, 1300}, 64, 64, 1, 3);
  const HostBlockMask mask = make(causal, {{"window", 3}, {"random", 4}, {"global_blocks", 2}});
  for (long row = 0; row < 3 * 21; ++row) {
    const long tile = row % 21;
    EXPECT_EQ(mask.row_ptr(row + 1) - mask.row_ptr(row), std::min(tile + 1, 2 + 3 + 4L)) << row;
    EXPECT_EQ(static_cast<long>(columns(mask, row).size()), mask.row_ptr(row + 1) - mask.row_ptr(row)) << row;
  }
  // The paper's: two-way window of three blocks, two random ones, and one global one in rows and columns.
  const TestGeometry both_ways = padded("", false, {1300, 1300}, 64, 64, 1, 3);
  const HostBlockMask symmetric = make(both_ways, {{"random", 2}});
  for (long row = 0; row < 3 * 21; ++row) {
    const long tile = row % 21, kept = symmetric.row_ptr(row + 1) - symmetric.row_ptr(row);
    const long near = tile == 1 || tile == 20 ? 2 : 3;  // block 0 is global already; 20 is the last
    EXPECT_EQ(kept, tile == 0 ? 21 : 1 + near + 2) << row;
  }
}

TEST(BigBird, HeadsAndSeedsDiffer) {
  const TestGeometry test = padded("", true, {1900, 1900}, 64, 64, 1, 3);
  const nlohmann::json parameters = {{"random", 3}};
  const HostBlockMask mask = make(test, parameters), same = make(test, parameters), other = make(test, parameters, 6);
  ASSERT_EQ(mask.heads, 3);
  int heads_equal = 0, seeds_equal = 0;
  for (long tile = 10; tile < 30; ++tile) {
    heads_equal += columns(mask, tile) == columns(mask, 30 + tile);
    heads_equal += columns(mask, 30 + tile) == columns(mask, 60 + tile);
    seeds_equal += columns(mask, tile) == columns(other, tile);
    for (const long head : {0, 1, 2}) EXPECT_EQ(columns(mask, 30 * head + tile), columns(same, 30 * head + tile));
  }
  EXPECT_LE(heads_equal, 1);
  EXPECT_LE(seeds_equal, 1);
}

TEST(BigBird, SeedParameterOverridesTheRequest) {
  const TestGeometry test = padded("", true, {1900, 1900}, 64, 64);
  const HostBlockMask by_request = make(test, nlohmann::json::object(), 123456789012345);
  const HostBlockMask by_parameter = make(test, {{"seed", 123456789012345}}, 1);
  ASSERT_EQ(by_request.kept(), by_parameter.kept());
  for (long e = 0; e < by_request.kept(); ++e) EXPECT_EQ(by_request.col_idx(e), by_parameter.col_idx(e));
  EXPECT_EQ(by_request.parameters, by_parameter.parameters);
}

}  // namespace
}  // namespace halftone::testing
