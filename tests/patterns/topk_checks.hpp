// What every pattern that keeps the best blocks of each row must do, given its scores.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "activations.hpp"
#include "naive_rules.hpp"

namespace halftone::testing {

/// Scores of the first `visible` blocks of a row, computed independently.
using NaiveScores = std::function<Vector(long b, long head, long tile, long visible)>;

/// One row of a mask against its scores.
struct TopkRow {
  std::vector<bool> kept, forced;
  Vector scores;

  long count(const std::vector<bool>& which) const { return std::count(which.begin(), which.end(), true); }
  bool chosen(std::size_t c) const { return kept[c] && !forced[c]; }

  /// Forced blocks are kept, and no other block that is kept is worse than one that is not.
  void expect_best() const {
    double worst_kept = std::numeric_limits<double>::infinity(), best_left = -worst_kept;
    for (std::size_t c = 0; c < kept.size(); ++c) {
      EXPECT_TRUE(kept[c] || !forced[c]) << "block " << c;
      if (chosen(c)) worst_kept = std::min(worst_kept, scores[c]);
      if (!kept[c]) best_left = std::max(best_left, scores[c]);
    }
    EXPECT_GE(worst_kept, best_left - 1e-5);
  }

  /// As many blocks as a share of the visible ones says, rounded by `dither` in [0, 1).
  void expect_count(double share, double dither) const {
    const double wanted = share * static_cast<double>(kept.size()), low = std::floor(wanted);
    const long rounded = static_cast<long>(low) + (dither < wanted - low);
    EXPECT_EQ(count(kept), std::max({rounded, count(forced), 1L}));
  }

  /// The fewest blocks, but one at least, that hold a share of all scores.
  void expect_mass(double share) const {
    double all = 0.0, held = 0.0, weakest = std::numeric_limits<double>::infinity();
    for (std::size_t c = 0; c < kept.size(); ++c) {
      all += scores[c];
      if (kept[c]) held += scores[c];
      if (chosen(c)) weakest = std::min(weakest, scores[c]);
    }
    EXPECT_GT(count(kept), 0);
    EXPECT_GE(held, share * all - 1e-5 * all);
    EXPECT_LT(held - weakest, share * all + 1e-5 * all);
  }
};

/// Checks every row of the pattern's mask; its parameters are share, sink_blocks, local_blocks and, if there is one,
/// share_of.
inline void expect_topk(const std::string& pattern, const Activations& a, const nlohmann::json& parameters,
                        const NaiveScores& naive_scores, double scale = 0.0, std::uint64_t seed = 0) {
  const TestGeometry& test = a.test;
  const MaskGeometry g = test.on_host();
  SCOPED_TRACE(pattern + " " + parameters.dump() + " on " + test.name);
  patterns::PatternRequest request = a.request(scale);
  request.seed = seed;
  const HostBlockMask mask = to_host(patterns::make_mask(pattern, request, parameters));
  ASSERT_NO_THROW(validate(mask));
  ASSERT_EQ(mask.batch, g.batch);
  ASSERT_EQ(mask.heads, g.heads);
  const nlohmann::json used = nlohmann::json::parse(mask.parameters);
  for (const auto& item : parameters.items()) EXPECT_EQ(used.at(item.key()), item.value());
  const long sink = used.at("sink_blocks"), local = used.at("local_blocks");

  for (long b = 0; b < g.batch; ++b)
    for (long head = 0; head < g.heads; ++head)
      for (long tile = 0; tile < mask.tiles; ++tile) {
        const Lengths l = test.lengths[b];
        const long number = mask.view().row(b, head, g.heads, tile), visible = g.visible_blocks(b, tile);
        SCOPED_TRACE("row " + std::to_string(number));
        const long shift = l.k - l.q, last_query = std::min((tile + 1) * g.block_q, l.q) - 1;
        long first = tile * g.block_q + shift;
        if (g.causal) first = std::max(first, 0L);
        const long near_first = floored(first, g.block_k) - local;
        const long near_last = floored(last_query + shift, g.block_k) + (g.causal ? 0 : local);
        TopkRow row{std::vector<bool>(visible, false), std::vector<bool>(visible, false), {}};
        for (long e = mask.row_ptr(number); e < mask.row_ptr(number + 1); ++e) {
          ASSERT_LT(mask.col_idx(e), visible);
          row.kept[mask.col_idx(e)] = true;
          EXPECT_EQ(mask.kind(e), g.edge_kind(b, tile, mask.col_idx(e)));
        }
        if (visible == 0) continue;
        for (long c = 0; c < visible; ++c) row.forced[c] = c < sink || (c >= near_first && c <= near_last);
        row.scores = naive_scores(b, head, tile, visible);
        row.expect_best();
        if (used.value("share_of", "blocks") == "mass")
          row.expect_mass(used.at("share"));
        else
          row.expect_count(used.at("share"), naive_dither(tile, b * g.heads + head));
      }
}

}  // namespace halftone::testing
