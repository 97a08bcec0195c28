// Queries, keys, values and head weights of a model over a document.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "halftone/core/io/activations.hpp"
#include "halftone/eval/model/llama.hpp"

namespace halftone::eval {

/// What store_activations keeps.
struct ActivationSelection {
  std::vector<int> layers = {};     ///< empty: all
  int kv_group = -1;                ///< one key-value head with its query heads; -1: all
  DType dtype = DType::bfloat16;    ///< rounded to nearest even from float32
};

/// Called when a layer is reached, before its attention; may be empty.
using LayerProgress = std::function<void(int layer)>;

/// Output weights w(l, h), [layers][heads]: the root mean square over the tokens of what each head adds to the residual
/// stream (LlamaModel::head_output_norms), divided by the mean over the whole model.
using HeadWeights = std::vector<std::vector<float>>;

/// Runs the model over `tokens` with dense causal attention and returns Q and K (after the rotation) and V of the
/// chosen layers, ascending, and heads, with the tokens, ready for io::write_activations. Layers past the last one
/// wanted do not run. `head_weights`, unless empty, goes along.
/// Throws InvalidArgument: layers or group the model does not have, a layer twice, tokens as LlamaModel::forward, head
/// weights of another shape.
io::ActivationsFile store_activations(const LlamaModel& model, std::span<const std::int32_t> tokens,
                                      const ActivationSelection& selection = {}, const HeadWeights& head_weights = {},
                                      const LayerProgress& progress = {});

/// Head weights measured on a calibration document, with dense causal attention.
HeadWeights measure_head_weights(const LlamaModel& model, std::span<const std::int32_t> tokens,
                                 const LayerProgress& progress = {});

}  // namespace halftone::eval
