#include "selection.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "halftone/core/error.hpp"
#include "halftone/patterns/halftone/halftone.hpp"
#include "halftone/patterns/pattern.hpp"

namespace halftone::app {

namespace {

// The row of the calibration that belongs to a layer.
template <class Value, class To>
std::vector<To> calibrated(const io::CalibrationFile& calibration, const std::vector<Value>& table, const Layer& layer) {
  if (layer.index >= calibration.layers || layer.q.shape[1] != calibration.heads)
    throw InvalidArgument("calibration", fmt::format("{} layers of {} heads", calibration.layers, calibration.heads),
                          fmt::format("layer {} and its {} heads among them", layer.index, layer.q.shape[1]));
  const auto first = table.begin() + layer.index * calibration.heads;
  return {first, first + calibration.heads};
}

nlohmann::json halftone_parameters(const PatternChoice& choice) {
  if (!choice.calibration) return choice.parameters;
  nlohmann::json parameters = nlohmann::json::parse(choice.calibration->parameters);
  if (choice.density == 0.0) parameters["tolerance"] = choice.calibration->tolerance;
  parameters.update(choice.parameters);
  return parameters;
}

void select_jointly(const Activations& activations, const PatternChoice& choice, Selection& selection) {
  const Layer& first = activations.layers.front();
  std::vector<patterns::HalftoneLayer> layers;
  for (const Layer& layer : activations.layers) {
    if (layer.q.shape != first.q.shape || layer.k.shape != first.k.shape || layer.causal != first.causal)
      throw InvalidArgument(
          fmt::format("layer {}", layer.index), "sizes or causality of its own",
          fmt::format("those of layer {}, to share one tolerance; choose layers with --layer", first.index));
    patterns::HalftoneLayer& one =
        layers.emplace_back(patterns::HalftoneLayer{&layer.q, &layer.k, &layer.v, layer.scale, layer.head_weight, {}});
    if (!choice.calibration) continue;
    one.head_weight = calibrated<float, float>(*choice.calibration, choice.calibration->head_weight, layer);
    one.gate = calibrated<std::uint8_t, bool>(*choice.calibration, choice.calibration->gate, layer);
  }
  patterns::HalftoneOptions options = patterns::halftone_options(halftone_parameters(choice), choice.density);
  options.landmarks = choice.landmarks;
  patterns::HalftoneResult result = patterns::select_halftone(layers, mask_geometry(activations, first), options);
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
  if (choice.name == "halftone")
    select_jointly(activations, choice, selection);
  else
    select_each(activations, choice, selection);
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
