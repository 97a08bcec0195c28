// The halftone pattern of one layer, through the interface that all patterns share.
#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>

#include "halftone/patterns/entries.hpp"
#include "halftone/patterns/halftone/halftone.hpp"
#include "halftone/patterns/parameters.hpp"

namespace halftone::patterns {
namespace {

constexpr ParameterInfo kParameters[] = {
    {"tolerance", "0.01", "budget: blocks with a higher estimated attention mass are exact"},
    {"micro_block", "8", "keys per micro-block: 1, 4, 8, 16, 32 or 64"},
    {"representatives", "16", "queries that stand for a query tile: a divisor of block_q"},
    {"aggregation", "rms", "of the mass over the representatives: rms, max or mean"},
    {"block_mass", "largest", "of the micro-blocks' masses, what counts for the block: largest or sum"},
    {"moments", "2", "of the keys in the estimate: 0 a micro-block's first key, 1 their mean, 2 mean and variance"},
    {"scope", "call", "the blocks among which a tolerance meets the density: call, layer, head or row"},
    {"control", "none", "negative control: none, permuted_scores, shuffled_variances or random_scores"},
    {"sink_blocks", "1", "leading key blocks that are always exact"},
    {"local_blocks", "1", "key blocks before the tile that are always exact, besides the diagonal"},
    {"shared_lists", "false", "true: one list of blocks per key-value head, for its whole group of query heads"}};

HalftoneOptions read_options(Parameters& parameters, double density) {
  const auto whole = [&](std::string_view name, int least) {
    return static_cast<int>(parameters.integer(name, least));
  };
  // The place of a name among those of an enumeration, which are given in its order.
  const auto choice = [&](std::string_view name, std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), parameters.choice(name, names)) - names.begin();
  };
  HalftoneOptions options;
  options.micro_block = whole("micro_block", 1);
  options.representatives = whole("representatives", 1);
  options.sink_blocks = whole("sink_blocks", 0);
  options.local_blocks = whole("local_blocks", 0);
  options.moments = whole("moments", 0);
  options.aggregation = static_cast<Aggregation>(choice("aggregation", {"rms", "max", "mean"}));
  options.block_mass = static_cast<BlockMass>(choice("block_mass", {"largest", "sum"}));
  options.scope = static_cast<ToleranceScope>(choice("scope", {"call", "layer", "head", "row"}));
  options.control =
      static_cast<Control>(choice("control", {"none", "permuted_scores", "shuffled_variances", "random_scores"}));
  options.shared_lists = parameters.flag("shared_lists");
  options.density = density;
  if (density > 0.0)
    parameters.reject_beside_density("tolerance");
  else
    options.tolerance = parameters.real("tolerance", 0.0, 1e30);
  return options;
}

BlockMask make_halftone(const PatternRequest& request, const nlohmann::json& values) {
  Parameters parameters(halftone_pattern, values);
  HalftoneLayer layer;
  layer.q = request.q;
  layer.k = request.k;
  layer.scale = request.scale;
  HalftoneOptions options = read_options(parameters, request.density);
  options.seed = request.seed;
  const HalftoneResult result = select_halftone({&layer, 1}, request.geometry, options);
  parameters.record("tolerance", result.tolerance);
  return parameters.label(result.layers.front().mask);
}

}  // namespace

HalftoneOptions halftone_options(const nlohmann::json& parameters, double density) {
  Parameters named(halftone_pattern, parameters);
  return read_options(named, density);
}

const PatternInfo halftone_pattern = {
    "halftone",
    "blocks whose estimated attention mass exceeds one tolerance, shared by all rows and heads",
    "second-moment mass estimate of micro-blocks with a finite-sample cap",
    "O(heads (N / block_q) (N / micro_block) representatives dim) time, O(heads (N / block_q) (N / block_k)) memory",
    true,
    kParameters,
    make_halftone};

}  // namespace halftone::patterns
