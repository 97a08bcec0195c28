// Which rule decides inside a block: flags wherever flags can say it, on masks small enough to draw.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "geometries.hpp"
#include "halftone/patterns/pattern.hpp"

namespace halftone::testing {
namespace {

using nlohmann::json;

/// One character per block of every row: '.' not listed, 'F' full, 'C' causal, 'R' ragged, 'c' causal and ragged,
/// 'W' window, 'w' window and another flag, 'B' bits.
std::vector<std::string> draw(const HostBlockMask& m) {
  std::vector<std::string> rows;
  for (std::size_t row = 0; row + 1 < m.row_ptr.extent(0); ++row) {
    std::string line(m.blocks, '.');
    for (long e = m.row_ptr(row); e < m.row_ptr(row + 1); ++e) {
      const int kind = m.kind(e);
      line[m.col_idx(e)] = kind & kBlockBits      ? 'B'
                           : kind == kBlockWindow ? 'W'
                           : kind & kBlockWindow  ? 'w'
                                                  : "FC??Rc"[kind];
    }
    rows.push_back(line);
  }
  return rows;
}

HostBlockMask make(const char* pattern, const TestGeometry& test, const char* parameters) {
  patterns::PatternRequest request;
  request.geometry = test.geometry;
  return to_host(patterns::make_mask(pattern, request, json::parse(parameters)));
}

using Rows = std::vector<std::string>;

TEST(Kinds, DenseIsFullBelowTheDiagonal) {
  const TestGeometry test = padded("", true, {300, 300}, 128, 64);
  EXPECT_EQ(draw(make("dense", test, "{}")), (Rows{"CC...", "FFCC.", "RRRRc"}));
}

TEST(Kinds, WindowOfWholeBlocksKeepsThemWhole) {
  const TestGeometry test = padded("", true, {320, 320}, 64, 64);
  EXPECT_EQ(draw(make("local", test, R"({"window": 2, "sink_blocks": 1})")),
            (Rows{"C....", "FC...", "FFC..", "F.FC.", "F..FC"}));
}

TEST(Kinds, ElementWindowIsAFlagAtItsEdge) {
  const TestGeometry test = padded("", true, {320, 320}, 64, 64);
  const HostBlockMask mask = make("local", test, R"({"granularity": "element", "window": 100, "sink_blocks": 1})");
  // Positions 192 to 255 see back to 93 to 156: block 1 (64 to 127) is cut, block 2 (128 to 191) too, by the last rows.
  EXPECT_EQ(draw(mask), (Rows{"C....", "FC...", "FWC..", "FWWC.", "F.WWC"}));
  EXPECT_EQ(mask.window_left, 99);
  EXPECT_EQ(mask.window_right, 0);
  EXPECT_EQ(mask.bits.extent(0), 0u);
  EXPECT_EQ(mask.bits_index.extent(0), 0u);
}

TEST(Kinds, ElementWindowLooksBothWaysWhenNotCausal) {
  const TestGeometry test = padded("", false, {256, 256}, 64, 64);
  const HostBlockMask mask = make("local", test, R"({"granularity": "element", "window": 64, "sink_blocks": 0})");
  EXPECT_EQ(draw(mask), (Rows{"FW..", "WFW.", ".WFW", "..WF"}));
  EXPECT_EQ(mask.window_left, 63);
  EXPECT_EQ(mask.window_right, 63);
}

TEST(Kinds, DitheredElementWindowNeedsBitsOnlyWhereItIsWider) {
  const TestGeometry test = padded("", true, {1280, 1280}, 64, 64);
  // 145.5 = 1 + 64 * 2.258: a good quarter of the tiles have windows of 193, the rest of 129, which is the flag's.
  const HostBlockMask mask = make("local", test, R"({"granularity": "element", "window": 145.5, "sink_blocks": 0})");
  EXPECT_EQ(mask.window_left, 128);
  int wide = 0, narrow = 0;
  for (const std::string& row : draw(mask)) {
    wide += row.find('B') != std::string::npos;
    narrow += row.find('W') != std::string::npos;
  }
  // Wide where frac((tile + 1) * 0.618034) < 0.258: tiles 1, 4, 9, 12, 17. Nothing cuts tiles 0 and 1.
  EXPECT_EQ(wide, 4);
  EXPECT_EQ(narrow, 14);
}

TEST(Kinds, ElementColumnsAreBits) {
  const TestGeometry test = padded("", true, {256, 256}, 64, 64);
  const HostBlockMask mask =
      make("strided", test, R"({"granularity": "element", "window": 1, "stride": 128, "sink_blocks": 0})");
  // Distances 0 and 128 only.
  EXPECT_EQ(draw(mask), (Rows{"B...", ".B..", "B.B.", ".B.B"}));
  ASSERT_EQ(mask.bits.extent(0), 6u * 64u);
  for (long e = 0; e < 6; ++e)
    for (long i = 0; i < 64; ++i) EXPECT_EQ(mask.bits(mask.bits_index(e) * 64 + i), std::uint64_t{1} << i);
}

TEST(Kinds, BlocksThatBitsWouldFillHaveNone) {
  const TestGeometry test = padded("", true, {256, 256}, 64, 64);
  // Segments of two blocks; the second block of each is its summary: everything is whole.
  const HostBlockMask mask =
      make("fixed", test, R"({"granularity": "element", "stride": 128, "summary": 64, "sink_blocks": 0})");
  EXPECT_EQ(draw(mask), (Rows{"C...", "FC..", ".FC.", ".FFC"}));
}

}  // namespace
}  // namespace halftone::testing
