// Unions, intersections and mixtures by head, pair by pair against what their members allow.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "geometries.hpp"
#include "halftone/patterns/pattern.hpp"
#include "support/random.hpp"

namespace halftone::testing {
namespace {

using nlohmann::json;

/// A request with activations for the members that look at them.
struct Request : patterns::PatternRequest {
  Tensor queries, keys;

  explicit Request(const TestGeometry& test) {
    geometry = test.geometry;
    seed = 21;
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

/// Whether the mask allows the pair, by a search through its row.
bool allows(const HostBlockMask& mask, const TestGeometry& test, long b, long head, long query, long key) {
  const MaskGeometry g = test.on_host();
  const Lengths l = test.lengths[b];
  const long row = mask.view().row(b, head, g.heads, query / g.block_q);
  for (long e = mask.row_ptr(row); e < mask.row_ptr(row + 1); ++e)
    if (mask.col_idx(e) == key / g.block_k) return mask.view().allows(e, query, key, l.q, l.k);
  return false;
}

/// `merge(head, allowed by each member)` is what the mask should allow.
template <class Rule>
void expect_merged(const char* pattern, const json& parameters, const Rule& merge) {
  for (const TestGeometry& test : test_geometries()) {
    SCOPED_TRACE(fmt::format("{} {} on {}", pattern, parameters.dump(), test.name));
    const Request request(test);
    const HostBlockMask mask = to_host(patterns::make_mask(pattern, request, parameters));
    ASSERT_NO_THROW(validate(mask));
    std::vector<HostBlockMask> members;
    for (json member : parameters.at("patterns")) {
      const std::string name = member.at("name");
      member.erase("name");
      members.push_back(to_host(patterns::make_mask(name, request, member)));
    }
    long wrong = 0, empty = 0;
    for (long b = 0; b < test.geometry.batch; ++b)
      for (long head = 0; head < test.geometry.heads; ++head) {
        std::vector<std::vector<bool>> used(mask.tiles, std::vector<bool>(mask.blocks, false));
        for (long query = 0; query < test.lengths[b].q; ++query)
          for (long key = 0; key < test.lengths[b].k; ++key) {
            std::vector<bool> by_member;
            for (const HostBlockMask& member : members) by_member.push_back(allows(member, test, b, head, query, key));
            const bool got = allows(mask, test, b, head, query, key);
            wrong += got != merge(head, by_member);
            if (got) used[query / mask.block_q][key / mask.block_k] = true;
          }
        for (long tile = 0; tile < mask.tiles; ++tile) {
          const long row = mask.view().row(b, head, test.geometry.heads, tile);
          for (long e = mask.row_ptr(row); e < mask.row_ptr(row + 1); ++e) empty += !used[tile][mask.col_idx(e)];
        }
      }
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(empty, 0) << "blocks listed without a pair";
  }
}

bool any_of(long, const std::vector<bool>& members) { return std::count(members.begin(), members.end(), true) > 0; }
bool all_of(long, const std::vector<bool>& members) { return std::count(members.begin(), members.end(), false) == 0; }

json members(const char* list) { return {{"patterns", json::parse(list)}}; }

constexpr const char* kBlocks =
    R"([{"name": "local", "window": 2}, {"name": "strided", "window": 1, "stride": 4, "sink_blocks": 0}])";
constexpr const char* kContent = R"([{"name": "mean_topk", "share": 0.5, "sink_blocks": 0, "local_blocks": 0},
    {"name": "bigbird", "random": 1}, {"name": "dilated", "window": 2, "dilation": 2, "sink_blocks": 0}])";
constexpr const char* kElements = R"([{"name": "local", "granularity": "element", "window": 70, "sink_blocks": 0},
    {"name": "landmark", "granularity": "element", "window": 20, "stride": 50, "sink_blocks": 0}])";
constexpr const char* kMixed = R"([{"name": "local", "granularity": "element", "window": 90},
    {"name": "fixed", "stride": 2}, {"name": "causal"}])";

TEST(Union, AllowsWhatAnyMemberAllows) {
  for (const char* list : {kBlocks, kContent, kElements, kMixed}) expect_merged("union", members(list), any_of);
}

TEST(Intersection, AllowsWhatAllMembersAllow) {
  for (const char* list : {kBlocks, kContent, kElements, kMixed}) expect_merged("intersection", members(list), all_of);
}

TEST(PerHead, TakesEachHeadFromItsMember) {
  for (const char* list : {kBlocks, kContent, kElements, kMixed})
    expect_merged("per_head", members(list),
                  [](long head, const std::vector<bool>& allowed) { return bool{allowed[head % allowed.size()]}; });
}

TEST(PerHead, FollowsAGivenList) {
  const TestGeometry test = padded("", true, {700, 700}, 64, 64, 1, 3);
  json parameters = members(kBlocks);
  parameters["heads"] = {1, 1, 0};
  const HostBlockMask mask = to_host(patterns::make_mask("per_head", Request(test), parameters));
  const HostBlockMask local = to_host(patterns::make_mask("local", Request(test), {{"window", 2}}));
  ASSERT_EQ(mask.heads, 3);
  EXPECT_EQ(mask.row_ptr(33) - mask.row_ptr(22), local.kept());
  EXPECT_EQ(mask.row_ptr(11), mask.row_ptr(22) - mask.row_ptr(11));
  EXPECT_NE(mask.row_ptr(11), local.kept());
  EXPECT_EQ(json::parse(mask.parameters).at("heads"), (json{1, 1, 0}));
}

TEST(Compositions, NestAndShareListsWhereMembersDo) {
  const TestGeometry test = padded("", true, {700, 700}, 64, 64, 2, 3);
  const char* nested = R"([{"name": "intersection", "patterns": [{"name": "local"}, {"name": "fixed"}]},
                           {"name": "dilated"}])";
  const HostBlockMask mask = to_host(patterns::make_mask("union", Request(test), members(nested)));
  EXPECT_EQ(mask.heads, 1);
  EXPECT_EQ(mask.batch, 1);
  EXPECT_EQ(to_host(patterns::make_mask("union", Request(test), members(kContent))).heads, 3);
  EXPECT_EQ(to_host(patterns::make_mask("union", Request(test), members(kContent))).batch, 2);
}

// A member alone keeps its flags: no bits where the window flag says it.
TEST(Compositions, KeepTheWindowFlag) {
  const TestGeometry test = padded("", true, {640, 640}, 64, 64);
  const char* list = R"([{"name": "local", "granularity": "element", "window": 100, "sink_blocks": 0},
                         {"name": "strided", "window": 1, "stride": 5, "sink_blocks": 1}])";
  const HostBlockMask mask = to_host(patterns::make_mask("union", Request(test), members(list)));
  EXPECT_EQ(mask.window_left, 99);
  EXPECT_EQ(mask.bits.extent(0), 0u);
  // Row 6: sink 0, column 1, window 4 to 6 of which 4 and 5 are cut.
  EXPECT_EQ(mask.row_ptr(7) - mask.row_ptr(6), 5);
  const long first = mask.row_ptr(6);
  for (const auto& [entry, column, kind] : {std::tuple(0, 0, 0), {1, 1, 0}, {2, 4, 2}, {3, 5, 2}, {4, 6, 1}}) {
    EXPECT_EQ(mask.col_idx(first + entry), column);
    EXPECT_EQ(mask.kind(first + entry), kind);
  }
}

TEST(PerHead, MeetsADensityAndRunsAgainFromItsParameters) {
  const TestGeometry test = padded("", true, {5000, 5000}, 128, 64, 1, 3);
  Request request(test);
  request.density = 0.23;
  const HostBlockMask mask =
      to_host(patterns::make_mask("per_head", request, members(R"([{"name": "mean_topk"}, {"name": "bigbird"}])")));
  EXPECT_NEAR(mask.density(), 0.23, 0.002);
  request.density = 0.0;
  request.seed = 4;
  const HostBlockMask again = to_host(patterns::make_mask("per_head", request, json::parse(mask.parameters)));
  ASSERT_EQ(again.kept(), mask.kept());
  for (long e = 0; e < mask.kept(); ++e) ASSERT_EQ(again.col_idx(e), mask.col_idx(e));
}

// Halftone has its own way to a density: a tolerance for all heads.
TEST(Union, TakesHalftoneForAMember) {
  const TestGeometry test = padded("", true, {5000, 5000}, 128, 64, 1, 2);
  Request request(test);
  request.density = 0.25;
  const BlockMask mask =
      patterns::make_mask("union", request, members(R"([{"name": "halftone"}, {"name": "local", "window": 2}])"));
  EXPECT_NEAR(mask.density(), 0.25, 0.002);
  EXPECT_GT(json::parse(mask.parameters).at("patterns").at(0).at("tolerance"), 0.0);
}

// Groups of heads that share lists beside heads with their own, and beside lists that all share.
TEST(Compositions, TakeListsThatGroupsShare) {
  const TestGeometry test = padded("", true, {700, 700}, 64, 64, 2, 6);
  Request request(test);
  request.keys = to_device(random_tensor(DType::float32, {2, 3, 700, 8}, 2));
  const json shared = {{"shared_lists", true}, {"sink_blocks", 0}, {"local_blocks", 0}, {"tolerance", 0.15}};
  json member = shared;
  member["name"] = "halftone";
  const json by_all = json::parse(R"({"name": "strided", "window": 1, "stride": 4})"), by_head = {{"name", "random"}};
  const HostBlockMask lists = to_host(patterns::make_mask("halftone", request, shared));
  ASSERT_EQ(lists.heads, 3);
  ASSERT_LT(lists.kept(), lists.visible);
  for (const json& other : {by_all, by_head}) {
    json parameters = other;
    parameters.erase("name");
    const HostBlockMask beside = to_host(patterns::make_mask(std::string(other.at("name")), request, parameters));
    for (const bool unite : {true, false}) {
      const HostBlockMask mask = to_host(
          patterns::make_mask(unite ? "union" : "intersection", request, {{"patterns", json::array({member, other})}}));
      EXPECT_EQ(mask.heads, other == by_all ? 3 : 6);
      for (long b = 0; b < 2; ++b)
        for (long head = 0; head < 6; ++head)
          for (long query = 0; query < 700; query += 9)
            for (long key = 0; key < 700; key += 7) {
              const bool one = allows(lists, test, b, head, query, key),
                         two = allows(beside, test, b, head, query, key);
              ASSERT_EQ(allows(mask, test, b, head, query, key), unite ? one || two : one && two)
                  << "sequence " << b << " head " << head << " query " << query << " key " << key;
            }
    }
  }
}

// Members with a budget or a density of their own keep it; the others fill up to the whole's density.
TEST(Compositions, SolveForOpenMembersOnly) {
  const TestGeometry test = padded("", true, {5000, 5000}, 128, 64, 1, 2);
  Request request(test);
  request.density = 0.3;
  const char* list = R"([{"name": "local", "window": 4}, {"name": "mean_topk", "sink_blocks": 0},
                         {"name": "strided", "density": 0.1}])";
  const HostBlockMask mask = to_host(patterns::make_mask("union", request, members(list)));
  EXPECT_NEAR(mask.density(), 0.3, 0.002);
  const json used = json::parse(mask.parameters).at("patterns");
  EXPECT_EQ(used.at(0).at("window"), 4);
  EXPECT_GT(used.at(1).at("share"), 0.1);
  json strided = used.at(2);
  EXPECT_EQ(strided.at("name"), "strided");
  strided.erase("name");
  request.density = 0.0;
  EXPECT_NEAR(patterns::make_mask("strided", request, strided).density(), 0.1, 0.002);
}

}  // namespace
}  // namespace halftone::testing
