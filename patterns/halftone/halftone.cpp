#include "halftone/patterns/halftone/halftone.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "halftone/core/error.hpp"
#include "halftone/patterns/halftone/checks.hpp"
#include "halftone/patterns/halftone/controls.hpp"
#include "halftone/patterns/halftone/landmarks.hpp"
#include "halftone/patterns/halftone/scores.hpp"
#include "halftone/patterns/halftone/selection.hpp"
#include "halftone/patterns/halftone/statistics.hpp"

namespace halftone::patterns {
namespace {

using detail::NearField;

// `stream` tells the random numbers of the call's layers apart.
Array<float> score_layer(const HalftoneLayer& layer, const MaskGeometry& geometry, const HalftoneOptions& options,
                         std::uint64_t stream, const Array<float>& log_mass = {}) {
  const float scale = layer.scale != 0.0f ? layer.scale : 1.0f / std::sqrt(static_cast<float>(layer.q->shape[3]));
  const detail::KeyStatistics statistics = detail::key_statistics(*layer.k, geometry, options, stream);
  return detail::score_blocks(*layer.q, statistics, geometry, scale, options, log_mass);
}

// One value per query head on the device; `values` empty: 1 for all.
template <class T, class Values>
Array<T> per_head(const Values& values, std::int32_t heads, const char* label) {
  Array<T> result(uninitialized(label), heads);
  const auto host = Kokkos::create_mirror_view(result);
  for (std::int32_t h = 0; h < heads; ++h) host(h) = values.empty() ? T{1} : static_cast<T>(values[h]);
  Kokkos::deep_copy(result, host);
  return result;
}

Array<float> prioritise_layer(const HalftoneLayer& layer, const MaskGeometry& geometry, const NearField& near,
                              const HalftoneOptions& options, std::uint64_t stream, const std::string& name) {
  const Array<float> scores = score_layer(layer, geometry, options, stream);
  if (options.control == Control::permuted_scores)
    detail::permute_scores(scores, {geometry, options.sink_blocks, options.local_blocks}, {options.seed, stream});
  if (options.control == Control::random_scores) detail::randomise_scores(scores, {options.seed, stream});
  const auto weight = per_head<float>(layer.head_weight, geometry.heads, "halftone::halftone::head_weight");
  const detail::Priorities priorities = detail::prioritise(scores, weight, near);
  if (priorities.not_finite > 0)
    throw InvalidArgument(name + " q and k", fmt::format("{} block scores that are not finite", priorities.not_finite),
                          "finite numbers, of a size that float32 products hold");
  return priorities.values;
}

std::string to_json(const HalftoneOptions& o, double tolerance) {
  const char* aggregation[] = {"rms", "max", "mean"};
  const char* scope[] = {"call", "layer", "head", "row"};
  const char* control[] = {"none", "permuted_scores", "shuffled_variances", "random_scores"};
  return nlohmann::json{{"micro_block", o.micro_block},
                        {"representatives", o.representatives},
                        {"aggregation", aggregation[static_cast<int>(o.aggregation)]},
                        {"block_mass", o.block_mass == BlockMass::sum ? "sum" : "largest"},
                        {"sink_blocks", o.sink_blocks},
                        {"local_blocks", o.local_blocks},
                        {"tolerance", tolerance},
                        {"density", o.density},
                        {"landmarks", o.landmarks},
                        {"moments", o.moments},
                        {"scope", scope[static_cast<int>(o.scope)]},
                        {"control", control[static_cast<int>(o.control)]},
                        {"shared_lists", o.shared_lists}}
      .dump();
}

}  // namespace

Array<float> halftone_scores(const HalftoneLayer& layer, const MaskGeometry& geometry, const HalftoneOptions& options) {
  detail::check_geometry(geometry);
  detail::check_options(options, geometry);
  detail::check_layer(layer, geometry, "layer");
  return score_layer(layer, geometry, options, 0);
}

Array<float> halftone_log_mass(const HalftoneLayer& layer, const MaskGeometry& geometry,
                               const HalftoneOptions& options) {
  detail::check_geometry(geometry);
  detail::check_options(options, geometry);
  detail::check_layer(layer, geometry, "layer");
  const Array<float> log_mass(uninitialized("halftone::halftone::log_mass"),
                              geometry.rows() * options.representatives * geometry.blocks());
  Kokkos::deep_copy(log_mass, std::numeric_limits<float>::quiet_NaN());
  score_layer(layer, geometry, options, 0, log_mass);
  return log_mass;
}

HalftoneResult select_halftone(std::span<const HalftoneLayer> layers, const MaskGeometry& geometry,
                               const HalftoneOptions& options) {
  detail::check_geometry(geometry);
  detail::check_options(options, geometry);
  detail::check_budget(options);
  if (layers.empty()) throw InvalidArgument("layers", "none", "at least one");
  const auto name = [](std::size_t l) { return fmt::format("layer {}", l); };
  for (std::size_t l = 0; l < layers.size(); ++l) {
    detail::check_layer(layers[l], geometry, name(l));
    if (detail::wants_landmarks(layers[l], options) && !layers[l].v)
      throw InvalidArgument(name(l) + " v", "a null pointer", "a tensor, which landmarks summarise");
    if (options.shared_lists && layers[l].k->shape[1] != layers[0].k->shape[1])
      throw InvalidArgument(
          name(l) + " key-value heads", fmt::format("{}", layers[l].k->shape[1]),
          fmt::format("{} as layer 0, which all layers need with shared_lists", layers[0].k->shape[1]));
  }

  const MaskGeometry lists = detail::list_geometry(geometry, options, layers[0].k->shape[1]);
  const NearField near{lists, options.sink_blocks, options.local_blocks};
  detail::check_reachable(options, near);
  const std::int64_t visible = count_visible_blocks(lists);
  std::vector<Array<float>> priorities;
  for (std::size_t l = 0; l < layers.size(); ++l)
    priorities.push_back(prioritise_layer(layers[l], geometry, near, options, l, name(l)));
  const detail::Tolerances tolerances =
      options.density > 0.0 ? detail::solve_tolerances(priorities, near, options.density, options.scope)
                            : detail::one_tolerance(static_cast<float>(options.tolerance), lists, layers.size());

  HalftoneResult result;
  result.tolerance = tolerances.common;
  std::int64_t kept = 0;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const HalftoneLayer& layer = layers[l];
    HalftoneSelection selection;
    selection.mask = detail::select_blocks(priorities[l], tolerances.per_row[l], lists);
    selection.mask.pattern = "halftone";
    selection.mask.parameters = to_json(options, tolerances.common);
    if (detail::wants_landmarks(layer, options)) {
      const auto gate = per_head<std::uint8_t>(layer.gate, geometry.heads, "halftone::halftone::gate");
      selection.landmarks =
          detail::make_landmarks(*layer.k, *layer.v, priorities[l], tolerances.per_row[l], gate, geometry);
    }
    kept += selection.mask.kept();
    priorities[l] = {};  // a score matrix is the largest thing here
    result.layers.push_back(std::move(selection));
  }
  const std::int64_t total = visible * static_cast<std::int64_t>(layers.size());
  result.density = total > 0 ? static_cast<double>(kept) / static_cast<double>(total) : 0.0;
  return result;
}

}  // namespace halftone::patterns
