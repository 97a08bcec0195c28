// Every rule pattern, element by element, against its definition written independently.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "geometries.hpp"
#include "halftone/patterns/pattern.hpp"
#include "naive_rules.hpp"

namespace halftone::testing {
namespace {

using nlohmann::json;

/// What a mask should hold: the naive rule under causality and the ends of the sequences.
struct Expected {
  const TestGeometry& test;
  NaiveRule rule;
  bool elements;

  bool visible(long b, long query, long key) const {
    const Lengths l = test.lengths[b];
    return query < l.q && key < l.k && (!test.geometry.causal || key <= query + l.k - l.q);
  }

  /// Block granularity: the tile keeps the whole block if the rule lets one of its positions use it.
  bool keeps_block(long b, long head, long tile, long block) const {
    const Lengths l = test.lengths[b];
    const long block_q = test.geometry.block_q, block_k = test.geometry.block_k;
    long previous = -1000000;
    for (long query = tile * block_q; query < std::min((tile + 1) * block_q, l.q); ++query) {
      const long position = query + l.k - l.q, own = floored(position, block_k);
      if ((test.geometry.causal && position < 0) || own == previous) continue;
      if (rule(head, own, block, (l.k + block_k - 1) / block_k)) return true;
      previous = own;
    }
    return false;
  }

  bool allows(long b, long head, long query, long key) const {
    const Lengths l = test.lengths[b];
    return visible(b, query, key) && rule(head, query + l.k - l.q, key, l.k);
  }
};

/// Compares one block of the mask; entry < 0: not listed. Returns whether it holds a visible pair.
bool check_block(const HostBlockMask& mask, const Expected& expected, long b, long head, long tile, long block,
                 long entry) {
  const MaskGeometry g = expected.test.on_host();
  const Lengths l = expected.test.lengths[b];
  const bool whole = !expected.elements && expected.keeps_block(b, head, tile, block);
  long visible = 0, wanted = 0, wrong = 0;
  for (long query = tile * g.block_q; query < std::min((tile + 1) * g.block_q, l.q); ++query)
    for (long key = block * g.block_k; key < std::min((block + 1) * g.block_k, l.k); ++key) {
      const bool sees = expected.visible(b, query, key);
      const bool want = expected.elements ? expected.allows(b, head, query, key) : whole && sees;
      const bool got = entry >= 0 && mask.view().allows(entry, query, key, l.q, l.k);
      visible += sees;
      wanted += want;
      wrong += want != got;
    }
  const auto where = fmt::format("batch {}, head {}, tile {}, block {}", b, head, tile, block);
  EXPECT_EQ(wrong, 0) << where;
  EXPECT_EQ(entry >= 0, wanted > 0) << where << " listed";
  if (entry >= 0 && (mask.kind(entry) & kBlockBits)) {
    EXPECT_LT(wanted, visible) << where << " needs no bits";
  }
  return visible > 0;
}

/// Compares the whole mask, for every head; returns how many blocks hold a visible pair.
long check_mask(const HostBlockMask& mask, const Expected& expected) {
  const MaskGeometry& g = expected.test.geometry;
  long visible = 0;
  for (long b = 0; b < g.batch; ++b)
    for (long head = 0; head < g.heads; ++head)
      for (long tile = 0; tile < mask.tiles; ++tile) {
        const long row = mask.view().row(b, head, g.heads, tile);
        long entry = mask.row_ptr(row);
        for (long block = 0; block < mask.blocks; ++block) {
          const bool listed = entry < mask.row_ptr(row + 1) && mask.col_idx(entry) == block;
          visible += check_block(mask, expected, b, head, tile, block, listed ? entry : -1);
          entry += listed;
        }
      }
  return visible;
}

void expect_mask(const std::string& pattern, const TestGeometry& test, json parameters) {
  SCOPED_TRACE(fmt::format("{} {} on {}", pattern, parameters.dump(), test.name));
  patterns::PatternRequest request;
  request.geometry = test.geometry;
  request.seed = 11;
  const HostBlockMask mask = to_host(patterns::make_mask(pattern, request, parameters));
  ASSERT_NO_THROW(validate(mask));
  EXPECT_EQ(mask.pattern, pattern);
  EXPECT_EQ(mask.tiles, test.geometry.tiles());
  EXPECT_EQ(mask.blocks, test.geometry.blocks());
  EXPECT_EQ(mask.heads, pattern == "bigbird" ? test.geometry.heads : 1);
  EXPECT_EQ(mask.batch, test.packed() ? test.geometry.batch : 1);

  const json used = json::parse(mask.parameters);
  for (const auto& item : parameters.items()) EXPECT_EQ(used.at(item.key()), item.value());
  const bool elements = used.value("granularity", "block") == "element";
  const Expected expected{test, naive_rule(pattern, used, elements ? test.geometry.block_k : 1, test.geometry.causal),
                          elements};
  const long visible = check_mask(mask, expected);
  EXPECT_EQ(mask.visible * (test.geometry.heads / mask.heads) * (test.geometry.batch / mask.batch), visible);
}

struct Case {
  const char *pattern, *parameters;
};

class Rules : public ::testing::TestWithParam<Case> {};

TEST_P(Rules, MatchTheDefinition) {
  for (const TestGeometry& test : test_geometries())
    expect_mask(GetParam().pattern, test, json::parse(GetParam().parameters));
}

INSTANTIATE_TEST_SUITE_P(Blocks, Rules,
                         ::testing::Values(Case{"dense", "{}"}, Case{"local", R"({"window": 3, "sink_blocks": 1})"},
                                           Case{"local", R"({"window": 2.4, "sink_blocks": 0})"},
                                           Case{"local", R"({"window": 1, "sink_blocks": 2})"},
                                           Case{"strided", R"({"window": 2, "stride": 3})"},
                                           Case{"strided", R"({"window": 1.5, "stride": 4, "sink_blocks": 0})"},
                                           Case{"dilated", R"({"window": 2, "dilation": 3})"},
                                           Case{"dilated", R"({"window": 1.6, "dilation": 2, "sink_blocks": 0})"},
                                           Case{"hierarchical", R"({"window": 1, "sink_blocks": 0})"},
                                           Case{"hierarchical", R"({"window": 1.4, "sink_blocks": 1})"},
                                           Case{"landmark", R"({"window": 1, "stride": 3, "sink_blocks": 0})"},
                                           Case{"landmark", R"({"window": 1.7, "stride": 4})"},
                                           Case{"fixed", R"({"stride": 3, "summary": 1})"},
                                           Case{"fixed", R"({"stride": 2, "summary": 0.6, "sink_blocks": 0})"},
                                           Case{"fixed", R"({"stride": 3, "summary": 1.5, "sink_blocks": 0})"},
                                           Case{"longformer", R"({"window": 2})"},
                                           Case{"longformer", R"({"window": 1.3, "global_blocks": 1})"},
                                           Case{"bigbird", R"({"window": 2, "random": 1})"},
                                           Case{"bigbird", R"({"window": 1.5, "random": 1.5, "global_blocks": 0})"}));

INSTANTIATE_TEST_SUITE_P(
    Elements, Rules,
    ::testing::Values(Case{"local", R"({"granularity": "element", "window": 100})"},
                      Case{"local", R"({"granularity": "element", "window": 1, "sink_blocks": 0})"},
                      Case{"local", R"({"granularity": "element", "window": 77.5})"},
                      Case{"strided", R"({"granularity": "element", "window": 5, "stride": 37})"},
                      Case{"strided", R"({"granularity": "element", "window": 1, "stride": 251, "sink_blocks": 0})"},
                      Case{"strided", R"({"granularity": "element", "window": 70.2, "stride": 193, "sink_blocks": 2})"},
                      Case{"dilated", R"({"granularity": "element", "window": 20, "dilation": 7})"},
                      Case{"dilated", R"({"granularity": "element", "window": 1, "dilation": 1, "sink_blocks": 0})"},
                      Case{"dilated", R"({"granularity": "element", "window": 90.6, "dilation": 2})"},
                      Case{"hierarchical", R"({"granularity": "element", "window": 5, "sink_blocks": 0})"},
                      Case{"hierarchical", R"({"granularity": "element", "window": 70.3})"},
                      Case{"landmark", R"({"granularity": "element", "window": 50, "stride": 97, "sink_blocks": 0})"},
                      Case{"landmark", R"({"granularity": "element", "window": 70.5, "stride": 3})"},
                      Case{"landmark", R"({"granularity": "element", "window": 1, "stride": 1})"},
                      Case{"fixed", R"({"granularity": "element", "stride": 70, "summary": 7})"},
                      Case{"fixed", R"({"granularity": "element", "stride": 150, "summary": 20.5, "sink_blocks": 0})"},
                      Case{"fixed", R"({"granularity": "element", "stride": 170, "summary": 0, "sink_blocks": 0})"},
                      Case{"longformer", R"({"granularity": "element", "window": 90, "global_blocks": 1})"},
                      Case{"longformer", R"({"granularity": "element", "window": 33.3})"},
                      Case{"bigbird", R"({"granularity": "element", "window": 20, "random": 0.05})"},
                      Case{"bigbird", R"({"granularity": "element", "window": 50, "random": 2})"}));

// The causal pattern brings its own causality, whatever the geometry says.
TEST(Causal, HoldsInAnyGeometry) {
  for (TestGeometry test : test_geometries()) {
    SCOPED_TRACE(test.name);
    patterns::PatternRequest request;
    request.geometry = test.geometry;
    const HostBlockMask mask = to_host(patterns::make_mask("causal", request));
    EXPECT_EQ(mask.visible * (test.packed() ? test.geometry.heads : test.geometry.heads * test.geometry.batch),
              count_visible_blocks(test.geometry));
    EXPECT_EQ(mask.bits.extent(0), 0u);
    test.geometry.causal = true;
    const Expected expected{test, naive_rule("causal", {}, test.geometry.block_k, true), true};
    EXPECT_EQ(check_mask(mask, expected), count_visible_blocks(test.geometry));
  }
}

}  // namespace
}  // namespace halftone::testing
