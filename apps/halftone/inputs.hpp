// Activations on the device, checked.
#pragma once

#include <string>
#include <vector>

#include "halftone/core/block_mask.hpp"
#include "halftone/core/tensor.hpp"

namespace halftone::app {

/// Q, K, V of one attention layer; fields as in io::ActivationLayer.
struct Layer {
  int index = 0;
  Tensor q, k, v;
  float scale = 0.0f;
  bool causal = true;
  std::vector<float> head_weight;
};

struct Activations {
  std::vector<Layer> layers;
  Array<std::int32_t> cu_seqlens;     ///< [sequences + 1] for packed batches, else empty
  std::vector<std::int32_t> lengths;  ///< of the packed sequences, else empty
  std::string source;                 ///< where they come from, or empty

  bool packed() const { return !lengths.empty(); }
};

/// The layers in `indices`, all when it is empty. Throws FileError as io::read_activations does, and for an element of
/// Q, K or V that is not finite (naming layer, tensor and position).
Activations load_activations(const std::string& path, const std::vector<int>& indices);

/// The geometry of masks for a layer, one mask per query head.
MaskGeometry mask_geometry(const Activations& activations, const Layer& layer);

/// "books/00, layers 1, 4: 4,096 tokens, 2 query heads, 1 key-value head of 128, bfloat16"
std::string describe(const Activations& activations);

}  // namespace halftone::app
