// Random blocks: what a pattern must beat at the same density.
#include <nlohmann/json.hpp>

#include "halftone/core/philox.hpp"
#include "halftone/patterns/entries.hpp"
#include "halftone/patterns/topk_call.hpp"

namespace halftone::patterns {
namespace {

/// Independent uniform numbers, keyed by seed, sequence and head, tile and block. The element rule is that of its
/// blocks: a pair counts when its block is among those with the largest numbers of its tile, or forced.
Scores random_scores(const MaskGeometry& g, std::uint64_t seed) {
  const std::int64_t blocks = g.blocks();
  const Scores scores(uninitialized("halftone::patterns::random_scores"), g.rows(), blocks);
  Kokkos::parallel_for(
      "halftone::patterns::random_scores", RowPolicy(0, g.rows() * blocks), KOKKOS_LAMBDA(const std::int64_t i) {
        const RowIndex row(g, i / blocks);
        const auto stream = static_cast<std::uint64_t>(row.batch * g.heads + row.head);
        const auto index = static_cast<std::uint64_t>(row.tile) << 32 | static_cast<std::uint64_t>(i % blocks);
        scores(row.row, i % blocks) = Philox{seed, stream}.uniform(index);
      });
  return scores;
}

constexpr ParameterInfo kParameters[] = {
    kShare, kForcedSink, kForcedLocal, {"seed", "the request's", "of the random blocks"}};

BlockMask make_random(const PatternRequest& request, const nlohmann::json& values) {
  TopkCall call(random_pattern, request, values);
  call.parameters.set_default("seed", request.seed);
  return call.best(random_scores(request.geometry, call.parameters.seed("seed")));
}

}  // namespace

const PatternInfo random_pattern = {"random",
                                    "random blocks, different in every row, head and sequence: the negative control",
                                    "uniform choice without replacement",
                                    "O(heads N^2 / (block_q block_k)) time and memory",
                                    false,
                                    kParameters,
                                    make_random};

}  // namespace halftone::patterns
