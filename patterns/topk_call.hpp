// One call of a pattern that scores the blocks of every row and keeps the best.
#pragma once

#include "halftone/patterns/density.hpp"
#include "halftone/patterns/parameters.hpp"
#include "halftone/patterns/topk_select.hpp"

namespace halftone::patterns {

inline constexpr ParameterInfo kShare = {"share", "0.1",
                                         "budget: kept share of each row's visible blocks, forced ones included"};
inline constexpr ParameterInfo kForcedSink = {"sink_blocks", "1", "leading key blocks that are always kept"};
inline constexpr ParameterInfo kForcedLocal = {"local_blocks", "1",
                                               "key blocks beside the diagonal that are always kept"};
inline constexpr ParameterInfo kRepresentatives = {"representatives", "1",
                                                   "mean queries per query tile: a divisor of block_q"};

struct TopkCall {
  Parameters parameters;
  const PatternRequest& request;

  TopkCall(const PatternInfo& pattern, const PatternRequest& request, const nlohmann::json& values)
      : parameters(pattern, values), request(request) {
    if (request.density > 0.0) parameters.reject_beside_density("share");
  }

  /// A parameter that counts the parts of a query tile or of a key block.
  std::int64_t divisor(std::string_view name, std::int64_t of, const char* of_name) {
    const std::int64_t parts = parameters.integer(name, 1);
    if (of % parts != 0) parameters.reject(name, parts, std::string("a divisor of ") + of_name);
    return parts;
  }

  /// The mask of the best blocks: parameters sink_blocks, local_blocks and share, which is solved for where a density
  /// is wanted.
  BlockMask best(const Scores& scores, ShareOf share_of = ShareOf::blocks) {
    const MaskGeometry& g = request.geometry;
    TopkBudget budget{g, parameters.integer("sink_blocks", 0), parameters.integer("local_blocks", 0), 0.0, share_of};
    if (request.density == 0.0) {
      budget.share = parameters.real("share", 0.0, 1.0);
    } else {
      budget.share =
          solve_budget(parameters.pattern(), request.density, count_visible_blocks(g), 0.0, 1.0, [&](double share) {
            budget.share = share;
            return count_topk(budget, scores);
          });
      parameters.record("share", budget.share);
    }
    return parameters.label(select_topk(budget, scores));
  }
};

}  // namespace halftone::patterns
