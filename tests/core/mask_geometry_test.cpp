// The geometry's formulas against counting element by element.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "halftone/core/block_mask.hpp"

namespace halftone {
namespace {

struct Case {
  const char* name;
  std::vector<std::int32_t> starts_q, starts_k;  ///< packed when not empty
  std::int64_t seq_q, seq_k;
  std::int32_t block_q, block_k;
  bool causal;
};

class Geometry : public ::testing::TestWithParam<Case> {
 protected:
  Geometry() {
    const Case& c = GetParam();
    g.batch = c.starts_q.empty() ? 2 : static_cast<std::int32_t>(c.starts_q.size()) - 1;
    g.heads = 3;
    g.seq_q = c.seq_q;
    g.seq_k = c.seq_k;
    g.block_q = c.block_q;
    g.block_k = c.block_k;
    g.causal = c.causal;
    if (!c.starts_q.empty()) {
      g.cu_seqlens_q = c.starts_q.data();
      g.cu_seqlens_k = c.starts_k.data();
    }
  }

  /// The definition: both exist, and with causal order the last query sees the last key.
  bool visible(std::int64_t b, std::int64_t query, std::int64_t key) const {
    const Case& c = GetParam();
    const auto s = static_cast<std::size_t>(b);
    const std::int64_t lq = c.starts_q.empty() ? c.seq_q : c.starts_q[s + 1] - c.starts_q[s];
    const std::int64_t lk = c.starts_k.empty() ? c.seq_k : c.starts_k[s + 1] - c.starts_k[s];
    return query < lq && key < lk && (!c.causal || key - lk <= query - lq);
  }

  /// Whether some, and whether every, pair of a tile and a block is visible.
  std::pair<bool, bool> some_and_all(std::int64_t b, std::int64_t tile, std::int64_t block) const {
    bool some = false, all = true;
    for (std::int64_t i = tile * g.block_q; i < (tile + 1) * g.block_q; ++i)
      for (std::int64_t j = block * g.block_k; j < (block + 1) * g.block_k; ++j)
        (visible(b, i, j) ? some : all) = visible(b, i, j);
    return {some, all};
  }

  MaskGeometry g;
};

TEST_P(Geometry, CountsTilesAndBlocks) {
  std::int64_t tiles = 0, blocks = 0;
  while (tiles * g.block_q < g.seq_q) ++tiles;
  while (blocks * g.block_k < g.seq_k) ++blocks;
  EXPECT_EQ(g.tiles(), tiles);
  EXPECT_EQ(g.blocks(), blocks);
  EXPECT_EQ(g.rows(), g.batch * 3 * tiles);
}

TEST_P(Geometry, VisibleKeys) {
  for (std::int64_t b = 0; b < g.batch; ++b)
    for (std::int64_t i = 0; i < g.len_q(b); ++i) {
      std::int64_t count = 0;
      for (std::int64_t j = 0; j < g.seq_k; ++j) {
        count += visible(b, i, j);
        ASSERT_EQ(visible(b, i, j), j < g.visible_keys(b, i)) << b << ' ' << i << ' ' << j;
      }
      ASSERT_EQ(g.visible_keys(b, i), count);
    }
}

TEST_P(Geometry, VisibleBlocksAreTheLeadingOnesWithAVisiblePair) {
  std::int64_t total = 0;
  for (std::int64_t b = 0; b < g.batch; ++b)
    for (std::int64_t tile = 0; tile < g.tiles(); ++tile)
      for (std::int64_t block = 0; block < g.blocks(); ++block) {
        const bool some = some_and_all(b, tile, block).first;
        ASSERT_EQ(block < g.visible_blocks(b, tile), some) << b << ' ' << tile << ' ' << block;
        total += some;
      }
  if (is_host_space<ExecSpace>) {
    EXPECT_EQ(count_visible_blocks(g), 3 * total);
  }
}

TEST_P(Geometry, PastBlocksAreWhollyVisibleToTheFirstQuery) {
  for (std::int64_t b = 0; b < g.batch; ++b)
    for (std::int64_t tile = 0; tile < g.tiles(); ++tile)
      for (std::int64_t block = 0; block < g.blocks(); ++block) {
        bool all = true;
        for (std::int64_t j = block * g.block_k; j < (block + 1) * g.block_k; ++j)
          all = all && visible(b, tile * g.block_q, j);
        ASSERT_EQ(block < g.past_blocks(b, tile), all) << b << ' ' << tile << ' ' << block;
      }
}

TEST_P(Geometry, EdgeKindsAllowExactlyTheVisiblePairs) {
  for (std::int64_t b = 0; b < g.batch; ++b)
    for (std::int64_t tile = 0; tile < g.tiles(); ++tile)
      for (std::int64_t block = 0; block < g.blocks(); ++block) {
        const std::uint8_t kind = g.edge_kind(b, tile, block);
        EXPECT_EQ(kind == kBlockFull, some_and_all(b, tile, block).second) << b << ' ' << tile << ' ' << block;
        BlockMaskView mask;
        mask.kind = &kind;
        mask.block_q = g.block_q;
        mask.block_k = g.block_k;
        for (std::int64_t i = tile * g.block_q; i < (tile + 1) * g.block_q; ++i)
          for (std::int64_t j = block * g.block_k; j < (block + 1) * g.block_k; ++j)
            ASSERT_EQ(mask.allows(0, i, j, g.len_q(b), g.len_k(b)), visible(b, i, j)) << b << ' ' << i << ' ' << j;
      }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Geometry,
                         ::testing::Values(Case{"Square", {}, {}, 256, 256, 128, 64, true},
                                           Case{"SquareFull", {}, {}, 256, 256, 128, 64, false},
                                           Case{"Ragged", {}, {}, 200, 200, 128, 64, true},
                                           Case{"RaggedFull", {}, {}, 200, 333, 64, 128, false},
                                           Case{"OneQuery", {}, {}, 1, 150, 128, 64, true},
                                           Case{"MoreKeys", {}, {}, 100, 259, 32, 64, true},
                                           Case{"MoreQueries", {}, {}, 259, 100, 32, 64, true},
                                           Case{"MoreQueriesThanABlock", {}, {}, 300, 65, 64, 64, true},
                                           Case{"Packed", {0, 1, 131, 331}, {0, 64, 194, 394}, 200, 200, 64, 64, true},
                                           Case{"PackedFull", {0, 100, 130}, {0, 70, 290}, 100, 220, 64, 64, false}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace halftone
