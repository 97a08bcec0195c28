// Blocks whose keys lie in the same k-means clusters as a tile's queries. Routing Transformer's element rule is: a pair
// counts when its query and key have the same nearest centroid, among centroids of the layer-normalised queries and
// keys (learned online there, found by a few k-means iterations here). The paper gathers the members of a cluster; here
// positions stay where they are, and a pair counts when its block is kept: those with most pairs in one cluster, or
// forced. Roy et al. 2021, "Efficient Content-Based Sparse Attention with Routing Transformers", section 4.1.
#include <nlohmann/json.hpp>

#include "halftone/patterns/entries.hpp"
#include "halftone/patterns/kmeans.hpp"
#include "halftone/patterns/topk_call.hpp"

namespace halftone::patterns {
namespace {

constexpr ParameterInfo kParameters[] = {kShare,
                                         {"clusters", "32", "centroids of each head"},
                                         {"iterations", "5", "of k-means"},
                                         kForcedSink,
                                         kForcedLocal,
                                         {"seed", "the request's", "of the rows that the centroids begin with"}};

BlockMask make_routing(const PatternRequest& request, const nlohmann::json& values) {
  TopkCall call(routing_pattern, request, values);
  Parameters& parameters = call.parameters;
  parameters.set_default("seed", request.seed);
  const std::int64_t clusters = parameters.integer("clusters", 1), iterations = parameters.integer("iterations", 0);
  const MaskGeometry& g = request.geometry;
  const Rows queries = pooled_queries(request, 1), keys = pooled_keys(request, 1);
  normalise_rows(queries);
  normalise_rows(keys);
  return call.best(count_collisions(g, cluster(g, queries, keys, clusters, iterations, parameters.seed("seed"))));
}

}  // namespace

const PatternInfo routing_pattern = {
    "routing",
    "the blocks with most keys in the k-means clusters of the row's queries",
    "Routing Transformer, Roy et al. 2021 (k-means by iteration; blocks in place of gathered members)",
    "O(heads (iterations N clusters dim + N^2 / block_q)) time, O(heads N dim) memory",
    true,
    kParameters,
    make_routing};

}  // namespace halftone::patterns
