// Files of kind "activations": Q, K and V of attention layers.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "halftone/core/io/provenance.hpp"
#include "halftone/core/tensor.hpp"

namespace halftone::io {

/// /activations/layer_NN
struct ActivationLayer {
  int index = 0;
  HostTensor q;        ///< [batch, heads_q, seq, dim]; packed: batch 1, seq the total
  HostTensor k, v;     ///< [batch, heads_kv, seq, dim], the element type of q
  float scale = 0.0f;  ///< usually 1 / sqrt(dim)
  bool causal = true;
  std::vector<float> head_weight;  ///< [heads_q] output weight of each head, or empty
};

struct ActivationsFile {
  std::vector<ActivationLayer> layers;
  std::vector<std::int32_t> cu_seqlens;  ///< [sequences + 1] starts of the packed sequences, or empty
  std::vector<std::int32_t> tokens;      ///< [batch * seq] what the activations were computed from, or empty
  std::string source, licence;           ///< free text, or empty
};

/// Throws FileError (FileWriter's reasons) and InvalidArgument: no layer, shapes of q, k, v that do not fit together,
/// query heads not a multiple of key-value heads, an empty sequence, cu_seqlens that do not rise from 0 to seq.
void write_activations(const std::string& path, const ActivationsFile& activations, const Provenance& provenance);

/// Reads the layers in `layers`, all when it is empty. Throws FileError: FileReader's reasons, a layer that is not
/// there (the message lists those that are), and everything write_activations refuses.
ActivationsFile read_activations(const std::string& path, std::span<const int> layers = {});

/// Indices of the layers in the file, ascending.
std::vector<int> list_activation_layers(const std::string& path);

}  // namespace halftone::io
