#include "halftone/core/io/activations.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "halftone/core/io/file.hpp"
#include "halftone/core/io/layers.hpp"

namespace halftone::io {
namespace {

Shape shape_of(const HostTensor& tensor) { return {tensor.shape.begin(), tensor.shape.end()}; }

void check_layer(const ActivationLayer& layer) {
  const std::string name = layer_name(layer.index);
  const Shape q = shape_of(layer.q), k = shape_of(layer.k), v = shape_of(layer.v);
  for (const std::int64_t length : {q[0], q[1], q[2], q[3], k[1]})
    if (length <= 0)
      throw InvalidArgument(name + " q and k", to_string(q) + " and " + to_string(k),
                            "at least one sequence, head, position and dimension");
  if (k != Shape{q[0], k[1], q[2], q[3]})
    throw InvalidArgument(name + " k", to_string(k), to_string({q[0], -1, q[2], q[3]}));
  if (v != k) throw InvalidArgument(name + " v", to_string(v), to_string(k));
  if (q[1] % k[1] != 0)
    throw InvalidArgument(name + " heads", fmt::format("{} query heads, {} key-value heads", q[1], k[1]),
                          "query heads a multiple of key-value heads");
  if (layer.k.dtype != layer.q.dtype || layer.v.dtype != layer.q.dtype)
    throw InvalidArgument(name + " k and v element types",
                          fmt::format("{} and {}", name_of(layer.k.dtype), name_of(layer.v.dtype)),
                          fmt::format("{} as q", name_of(layer.q.dtype)));
  if (!layer.head_weight.empty() && static_cast<std::int64_t>(layer.head_weight.size()) != q[1])
    throw InvalidArgument(name + " head_weight", fmt::format("{} values", layer.head_weight.size()),
                          fmt::format("{}, one per query head", q[1]));
  if (!std::isfinite(layer.scale))
    throw InvalidArgument(name + " scale", fmt::format("{}", layer.scale), "a finite number");
}

void check_cu_seqlens(const std::vector<std::int32_t>& starts, const HostTensor& q) {
  if (starts.empty()) return;
  if (q.shape[0] != 1) throw InvalidArgument("cu_seqlens", fmt::format("batch {}", q.shape[0]), "batch 1 when packed");
  const bool rises = std::adjacent_find(starts.begin(), starts.end(), std::greater_equal<>{}) == starts.end();
  if (starts.size() < 2 || starts.front() != 0 || starts.back() != q.shape[2] || !rises)
    throw InvalidArgument("cu_seqlens", fmt::format("[{}]", fmt::join(starts, ", ")),
                          fmt::format("numbers that rise from 0 to {} (no sequence may be empty)", q.shape[2]));
}

void check(const ActivationsFile& file) {
  std::vector<int> indices;
  for (const ActivationLayer& layer : file.layers) indices.push_back(layer.index);
  check_layer_indices(indices);
  for (const ActivationLayer& layer : file.layers) {
    check_layer(layer);
    check_cu_seqlens(file.cu_seqlens, layer.q);
    const std::int64_t positions = layer.q.shape[0] * layer.q.shape[2];
    if (!file.tokens.empty() && static_cast<std::int64_t>(file.tokens.size()) != positions)
      throw InvalidArgument("tokens", fmt::format("{} ids", file.tokens.size()),
                            fmt::format("{}, one per position", positions));
  }
}

ActivationLayer read_layer(const Group& group, int index) {
  ActivationLayer layer;
  layer.index = index;
  layer.scale = static_cast<float>(group.number_attribute("scale"));
  layer.causal = group.integer_attribute("causal") != 0;
  const Shape q = group.dataset("q").require_shape({-1, -1, -1, -1}).shape();
  const Shape k = group.dataset("k").require_shape({q[0], -1, q[2], q[3]}).shape();
  layer.q = group.read_tensor("q");
  layer.k = group.read_tensor("k");
  layer.v = group.read_tensor("v", k);
  if (group.has("head_weight")) layer.head_weight = group.dataset("head_weight").require_shape({q[1]}).read<float>();
  return layer;
}

}  // namespace

void write_activations(const std::string& path, const ActivationsFile& activations, const Provenance& provenance) {
  check(activations);
  FileWriter writer(path, "activations", provenance);
  const Group root = writer.root();
  if (!activations.source.empty()) root.set_string("source", activations.source);
  if (!activations.licence.empty()) root.set_string("licence", activations.licence);
  const auto write_list = [&](const char* name, const std::vector<std::int32_t>& values, DatasetInfo info) {
    if (!values.empty()) root.write<std::int32_t>(name, values, {static_cast<std::int64_t>(values.size())}, info);
  };
  write_list("cu_seqlens", activations.cu_seqlens, {"positions", "starts of the packed sequences, and the total"});
  write_list("tokens", activations.tokens, {"1", "token ids that the activations were computed from, [batch * seq]"});

  const Group layers = root.create_group("activations");
  for (const ActivationLayer& layer : activations.layers) {
    const Group group = layers.create_group(layer_name(layer.index));
    group.set_number("scale", layer.scale);
    group.set_integer("causal", layer.causal);
    group.write("q", layer.q, {"1", "queries [batch, heads_q, seq, dim]"});
    group.write("k", layer.k, {"1", "keys [batch, heads_kv, seq, dim]"});
    group.write("v", layer.v, {"1", "values [batch, heads_kv, seq, dim]"});
    if (!layer.head_weight.empty())
      group.write<float>("head_weight", layer.head_weight, {static_cast<std::int64_t>(layer.head_weight.size())},
                         {"1", "output weight of each query head"});
  }
  writer.commit();
}

ActivationsFile read_activations(const std::string& path, std::span<const int> layers) {
  const Group root = FileReader(path, "activations").root();
  const Group group = root.group("activations");
  const std::vector<int> present = layer_indices(group);
  ActivationsFile file;
  if (root.has_attribute("source")) file.source = root.string_attribute("source");
  if (root.has_attribute("licence")) file.licence = root.string_attribute("licence");
  const auto read_list = [&](const char* name) {
    return root.has(name) ? root.dataset(name).require_shape({-1}).read<std::int32_t>() : std::vector<std::int32_t>{};
  };
  file.cu_seqlens = read_list("cu_seqlens");
  file.tokens = read_list("tokens");
  for (const int index : layers.empty() ? std::span<const int>(present) : layers) {
    if (std::find(present.begin(), present.end(), index) == present.end())
      group.fail(fmt::format("layer: got {}, expected one of {}", index, fmt::join(present, ", ")));
    file.layers.push_back(read_layer(group.group(layer_name(index)), index));
  }
  try {
    check(file);
  } catch (const InvalidArgument& problem) {
    throw FileError(path, problem.what());
  }
  return file;
}

std::vector<int> list_activation_layers(const std::string& path) {
  return layer_indices(FileReader(path, "activations").root().group("activations"));
}

}  // namespace halftone::io
