// Blocks whose keys fall into the same hash buckets as a tile's queries.
#include <nlohmann/json.hpp>

#include "halftone/core/philox.hpp"
#include "halftone/patterns/buckets.hpp"
#include "halftone/patterns/dot.hpp"
#include "halftone/patterns/entries.hpp"
#include "halftone/patterns/mask_builder.hpp"
#include "halftone/patterns/pooling.hpp"
#include "halftone/patterns/topk_call.hpp"

namespace halftone::patterns {
namespace {

/// Angular locality-sensitive hashing: h(x) = argmax of [xR; -xR] for a random matrix R [dim, buckets / 2] of normal
/// numbers, one for every round and key head. Reformer's element rule is: a pair counts when some round gives its query
/// and key the same bucket. Reformer sorts positions by bucket to make blocks of such pairs; here positions stay where
/// they are, and a pair counts when its block is kept: those with most colliding pairs, or forced.
/// Kitaev, Kaiser, Levskaya 2020, "Reformer: The Efficient Transformer", section 2 (with separate queries and keys).
Buckets::Ids angular_hash(const Rows& x, const Rows& rotations) {
  const std::int64_t rounds = rotations.extent(0), half = rotations.extent(2), dim = rotations.extent(3);
  const std::int64_t heads = x.extent(1), rows = x.extent(2),
                     group = heads / static_cast<std::int64_t>(rotations.extent(1));
  const Buckets::Ids ids(uninitialized("halftone::patterns::lsh_ids"), x.extent(0), heads, rounds, rows);
  Kokkos::parallel_for(
      "halftone::patterns::lsh", RowPolicy(0, static_cast<std::int64_t>(ids.size())),
      KOKKOS_LAMBDA(const std::int64_t i) {
        const std::int64_t row = i % rows, round = i / rows % rounds;
        const std::int64_t head = i / rows / rounds % heads, b = i / rows / rounds / heads;
        std::int64_t low = 0, high = 0;  // the columns of the smallest and the largest product
        float least = 0.0f, most = 0.0f;
        for (std::int64_t c = 0; c < half; ++c) {
          const float product = dot(&x(b, head, row, 0), &rotations(round, head / group, c, 0), dim);
          if (c == 0 || product > most) most = product, high = c;
          if (c == 0 || product < least) least = product, low = c;
        }
        ids(b, head, round, row) = static_cast<std::int32_t>(-least > most ? half + low : high);
      });
  return ids;
}

/// Normal numbers [rounds, heads_kv, buckets / 2, dim], keyed by seed, round * heads_kv + head and column * dim + d.
Rows draw_rotations(std::uint64_t seed, std::int64_t rounds, std::int64_t heads_kv, std::int64_t half,
                    std::int64_t dim) {
  const Rows rotations(uninitialized("halftone::patterns::rotations"), rounds, heads_kv, half, dim);
  Kokkos::parallel_for(
      "halftone::patterns::rotations", RowPolicy(0, static_cast<std::int64_t>(rotations.size())),
      KOKKOS_LAMBDA(const std::int64_t i) {
        const std::int64_t d = i % dim, column = i / dim % half, matrix = i / dim / half;
        rotations(matrix / heads_kv, matrix % heads_kv, column, d) =
            Philox{seed, static_cast<std::uint64_t>(matrix)}.normal(static_cast<std::uint64_t>(column * dim + d));
      });
  return rotations;
}

constexpr ParameterInfo kParameters[] = {kShare,
                                         {"buckets", "64", "hash buckets of a round: an even number"},
                                         {"rounds", "4", "independent hashes"},
                                         kForcedSink,
                                         kForcedLocal,
                                         {"seed", "the request's", "of the random rotations"}};

BlockMask make_lsh(const PatternRequest& request, const nlohmann::json& values) {
  TopkCall call(lsh_pattern, request, values);
  Parameters& parameters = call.parameters;
  parameters.set_default("seed", request.seed);
  const std::int64_t buckets = parameters.integer("buckets", 2), rounds = parameters.integer("rounds", 1);
  if (buckets % 2 != 0) parameters.reject("buckets", buckets, "an even number");
  const Rows rotations =
      draw_rotations(parameters.seed("seed"), rounds, request.k->shape[1], buckets / 2, request.k->shape[3]);
  return call.best(count_collisions(request.geometry, {angular_hash(pooled_queries(request, 1), rotations),
                                                       angular_hash(pooled_keys(request, 1), rotations), buckets}));
}

}  // namespace

const PatternInfo lsh_pattern = {
    "lsh",
    "the blocks with most keys in the hash buckets of the row's queries",
    "Reformer, Kitaev et al. 2020 (angular LSH; blocks in place of sorted chunks)",
    "O(heads rounds (N buckets dim + N^2 / block_q)) time, O(heads N (dim + rounds)) memory",
    true,
    kParameters,
    make_lsh};

}  // namespace halftone::patterns
