#include "halftone/eval/model/activations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "halftone/core/error.hpp"

namespace halftone::eval {

namespace {

/// The chosen heads of every layer: query heads [first, first + count), their key-value heads.
struct HeadRange {
  std::int64_t first_q, count_q, first_kv, count_kv;
};

HeadRange chosen_heads(const io::ModelSizes& sizes, int kv_group) {
  if (kv_group < 0) return {0, sizes.num_heads, 0, sizes.num_kv_heads};
  const std::int64_t group = sizes.num_heads / sizes.num_kv_heads;
  return {kv_group * group, group, kv_group, 1};
}

void validate(const io::ModelSizes& sizes, const ActivationSelection& selection, const HeadWeights& weights) {
  std::set<int> seen;
  for (const int layer : selection.layers) {
    if (layer < 0 || layer >= sizes.num_layers || !seen.insert(layer).second) {
      throw InvalidArgument("layers", fmt::format("{}", fmt::join(selection.layers, ", ")),
                            fmt::format("different layers from 0 to {}", sizes.num_layers - 1));
    }
  }
  if (selection.kv_group < -1 || selection.kv_group >= sizes.num_kv_heads) {
    throw InvalidArgument("kv_group", fmt::format("{}", selection.kv_group),
                          fmt::format("0 to {}, or -1 for all", sizes.num_kv_heads - 1));
  }
  if (weights.empty()) return;
  const auto fits = [&](const std::vector<float>& row) { return std::ssize(row) == sizes.num_heads; };
  if (std::ssize(weights) != sizes.num_layers || !std::all_of(weights.begin(), weights.end(), fits)) {
    throw InvalidArgument("head_weights", fmt::format("{} layers of {} heads", weights.size(), weights[0].size()),
                          fmt::format("{} layers of {} heads", sizes.num_layers, sizes.num_heads));
  }
}

/// Heads [first, first + count) of [1, heads, seq, dim], as `dtype`.
HostTensor take_heads(const Tensor& tensor, std::int64_t first, std::int64_t count, DType dtype) {
  const HostTensor all = to_host(tensor);
  const std::int64_t head = all.shape[2] * all.shape[3];
  HostTensor taken("halftone::eval::activations", DType::float32, {1, count, all.shape[2], all.shape[3]});
  std::copy_n(static_cast<const float*>(all.data()) + first * head, count * head, static_cast<float*>(taken.data()));
  return convert(taken, dtype);
}

}  // namespace

io::ActivationsFile store_activations(const LlamaModel& model, std::span<const std::int32_t> tokens,
                                      const ActivationSelection& selection, const HeadWeights& head_weights,
                                      const LayerProgress& progress) {
  validate(model.sizes(), selection, head_weights);
  const HeadRange heads = chosen_heads(model.sizes(), selection.kv_group);
  const auto& wanted = selection.layers;
  const int last = wanted.empty() ? static_cast<int>(model.sizes().num_layers) - 1
                                  : *std::max_element(wanted.begin(), wanted.end());
  io::ActivationsFile file;
  file.tokens.assign(tokens.begin(), tokens.end());
  const auto record = [&](int layer, const Tensor& q, const Tensor& k, const Tensor& v) {
    if (progress) progress(layer);
    if (wanted.empty() || std::find(wanted.begin(), wanted.end(), layer) != wanted.end()) {
      io::ActivationLayer& kept = file.layers.emplace_back();
      kept.index = layer;
      kept.q = take_heads(q, heads.first_q, heads.count_q, selection.dtype);
      kept.k = take_heads(k, heads.first_kv, heads.count_kv, selection.dtype);
      kept.v = take_heads(v, heads.first_kv, heads.count_kv, selection.dtype);
      kept.scale = 1.0f / std::sqrt(static_cast<float>(model.sizes().head_dim));
      if (!head_weights.empty()) {
        const auto first = head_weights[layer].begin() + heads.first_q;
        kept.head_weight.assign(first, first + heads.count_q);
      }
    }
    return dense_attention(layer, q, k, v);
  };
  model.forward(tokens, record, last + 1);
  return file;
}

HeadWeights measure_head_weights(const LlamaModel& model, std::span<const std::int32_t> tokens,
                                 const LayerProgress& progress) {
  HeadWeights weights;
  double sum = 0.0;
  model.forward(tokens, [&](int layer, const Tensor& q, const Tensor& k, const Tensor& v) {
    if (progress) progress(layer);
    const Tensor o = dense_attention(layer, q, k, v);
    weights.push_back(model.head_output_norms(layer, o));
    for (const float w : weights.back()) sum += w;
    return o;
  });
  const double mean = sum / static_cast<double>(model.sizes().num_layers * model.sizes().num_heads);
  for (auto& row : weights) {
    for (float& w : row) w = static_cast<float>(w / mean);
  }
  return weights;
}

}  // namespace halftone::eval
