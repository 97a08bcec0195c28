#include "inputs.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "halftone/core/io/activations.hpp"
#include "table.hpp"

namespace halftone::app {

namespace {

Tensor checked(const std::string& path, int layer, std::string_view name, const HostTensor& tensor) {
  check_finite(tensor, fmt::format("{}: layer {}, {}", path, layer, name));
  return to_device(tensor);
}

std::string count(std::int64_t n, std::string_view thing) {
  return fmt::format("{} {}{}", n, thing, n == 1 ? "" : "s");
}

}  // namespace

Activations load_activations(const std::string& path, const std::vector<int>& indices) {
  const io::ActivationsFile file = io::read_activations(path, indices);
  Activations activations;
  activations.source = file.source;
  for (const io::ActivationLayer& layer : file.layers) {
    const float scale = layer.scale != 0.0f ? layer.scale : 1.0f / std::sqrt(static_cast<float>(layer.q.shape[3]));
    activations.layers.push_back({layer.index, checked(path, layer.index, "q", layer.q),
                                  checked(path, layer.index, "k", layer.k), checked(path, layer.index, "v", layer.v),
                                  scale, layer.causal, layer.head_weight});
  }
  if (!file.cu_seqlens.empty()) {
    const Kokkos::View<const std::int32_t*, HostSpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>> starts(
        file.cu_seqlens.data(), file.cu_seqlens.size());
    activations.cu_seqlens = Array<std::int32_t>("halftone::app::cu_seqlens", file.cu_seqlens.size());
    Kokkos::deep_copy(activations.cu_seqlens, starts);
    for (std::size_t i = 1; i < file.cu_seqlens.size(); ++i)
      activations.lengths.push_back(file.cu_seqlens[i] - file.cu_seqlens[i - 1]);
  }
  return activations;
}

MaskGeometry mask_geometry(const Activations& activations, const Layer& layer) {
  MaskGeometry geometry;
  geometry.batch = static_cast<std::int32_t>(layer.q.shape[0]);
  geometry.heads = static_cast<std::int32_t>(layer.q.shape[1]);
  geometry.seq_q = layer.q.shape[2];
  geometry.seq_k = layer.k.shape[2];
  geometry.causal = layer.causal;
  if (activations.packed()) {
    geometry.batch = static_cast<std::int32_t>(activations.lengths.size());
    geometry.seq_q = geometry.seq_k = *std::max_element(activations.lengths.begin(), activations.lengths.end());
    geometry.cu_seqlens_q = geometry.cu_seqlens_k = activations.cu_seqlens.data();
  }
  return geometry;
}

std::string describe(const Activations& activations) {
  std::vector<int> indices;
  for (const Layer& layer : activations.layers) indices.push_back(layer.index);
  const Layer& first = activations.layers.front();
  const std::string sequences = activations.packed() ? fmt::format("{} packed sequences, ", activations.lengths.size())
                                : first.q.shape[0] > 1 ? fmt::format("batch of {}, ", first.q.shape[0])
                                                       : "";
  return fmt::format("layer{} {}: {}{} tokens, {}, {} of {}, {}", indices.size() == 1 ? "" : "s",
                     fmt::join(indices, ", "), sequences, with_commas(first.q.shape[2]),
                     count(first.q.shape[1], "query head"), count(first.k.shape[1], "key-value head"), first.q.shape[3],
                     name_of(first.q.dtype));
}

}  // namespace halftone::app
