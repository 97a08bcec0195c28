#include "selection.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "halftone/core/error.hpp"
#include "halftone/patterns/halftone/halftone.hpp"
#include "halftone/patterns/entries.hpp"
#include "halftone/patterns/parameters.hpp"
#include "halftone/patterns/pattern.hpp"

namespace halftone::app {

namespace {

patterns::HalftoneOptions halftone_options(nlohmann::json values, double density) {
  patterns::HalftoneOptions options;
  options.landmarks = values.value("landmarks", false);
  values.erase("landmarks");
  patterns::Parameters parameters(patterns::halftone_pattern, values);
  const auto whole = [&](std::string_view name, int least) { return static_cast<int>(parameters.integer(name, least)); };
  options.micro_block = whole("micro_block", 4);
  options.representatives = whole("representatives", 1);
  options.sink_blocks = whole("sink_blocks", 0);
  options.local_blocks = whole("local_blocks", 0);
  const std::string aggregation = parameters.choice("aggregation", {"rms", "max", "mean"});
  options.aggregation = aggregation == "rms"   ? patterns::Aggregation::rms
                        : aggregation == "max" ? patterns::Aggregation::max
                                               : patterns::Aggregation::mean;
  options.density = density;
  if (density > 0.0) parameters.reject_beside_density("tolerance");
  else options.tolerance = parameters.real("tolerance", 0.0, 1e30);
  return options;
}

void select_jointly(const Activations& activations, const PatternChoice& choice, Selection& selection) {
  const Layer& first = activations.layers.front();
  std::vector<patterns::HalftoneLayer> layers;
  for (const Layer& layer : activations.layers) {
    if (layer.q.shape != first.q.shape || layer.k.shape != first.k.shape || layer.causal != first.causal)
      throw InvalidArgument(fmt::format("layer {}", layer.index), "sizes or causality of its own",
                            fmt::format("those of layer {}, to share one tolerance; choose layers with --layer", first.index));
    layers.push_back({&layer.q, &layer.k, &layer.v, layer.scale, layer.head_weight, {}});
  }
  patterns::HalftoneResult result = patterns::select_halftone(
      layers, mask_geometry(activations, first), halftone_options(choice.parameters, choice.density));
  selection.tolerance = result.tolerance;
  for (patterns::HalftoneSelection& layer : result.layers)
    selection.layers.push_back({std::move(layer.mask), std::move(layer.landmarks)});
}

void select_each(const Activations& activations, const PatternChoice& choice, Selection& selection) {
  for (const Layer& layer : activations.layers) {
    patterns::PatternRequest request;
    request.geometry = mask_geometry(activations, layer);
    request.q = &layer.q;
    request.k = &layer.k;
    request.scale = layer.scale;
    request.density = choice.density;
    request.seed = choice.seed;
    selection.layers.push_back({patterns::make_mask(choice.name, request, choice.parameters), std::nullopt});
  }
}

}  // namespace

double Selection::density() const {
  std::int64_t kept = 0, visible = 0;
  for (const LayerSelection& layer : layers) kept += layer.mask.kept(), visible += layer.mask.visible;
  return visible > 0 ? static_cast<double>(kept) / static_cast<double>(visible) : 0.0;
}

Selection select_blocks(const Activations& activations, const PatternChoice& choice) {
  Selection selection;
  Kokkos::fence();
  const Kokkos::Timer timer;
  if (choice.name == "halftone") select_jointly(activations, choice, selection);
  else select_each(activations, choice, selection);
  Kokkos::fence();
  selection.seconds = timer.seconds();
  return selection;
}

double TimedAttention::best() const { return *std::min_element(seconds.begin(), seconds.end()); }

TimedAttention attend(const Activations& activations, const Layer& layer, const LayerSelection* selection,
                      const std::string& kernel, int repeats) {
  AttentionOptions options;
  options.scale = layer.scale;
  options.causal = layer.causal;
  options.kernel = kernel;
  options.cu_seqlens_q = options.cu_seqlens_k = activations.cu_seqlens;
  if (selection) {
    options.mask = &selection->mask;
    if (selection->landmarks) options.landmarks = &*selection->landmarks;
  }
  TimedAttention timed;
  for (int i = 0; i < repeats; ++i) {
    const Kokkos::Timer timer;
    timed.result = block_sparse_attention(layer.q, layer.k, layer.v, options);
    timed.seconds.push_back(timer.seconds());
  }
  return timed;
}

}  // namespace halftone::app
