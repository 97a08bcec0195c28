#include "halftone/core/io/attention_file.hpp"

#include <fmt/format.h>

#include "halftone/core/io/file.hpp"
#include "halftone/core/io/layers.hpp"

namespace halftone::io {
namespace {

void check_layer(const AttentionLayer& layer) {
  const std::string name = layer_name(layer.index);
  if (layer.o.empty())
    throw InvalidArgument(name + " o", to_string({layer.o.shape.begin(), layer.o.shape.end()}), "at least one element");
  const auto rows = static_cast<std::size_t>(layer.o.size() / layer.o.shape[3]);
  const auto require_rows = [&](const char* what, std::size_t got) {
    if (got != rows)
      throw InvalidArgument(fmt::format("{} {}", name, what), fmt::format("{} values", got),
                            fmt::format("{}, one per row of o", rows));
  };
  require_rows("lse", layer.lse.size());
  if (!layer.far_mass.empty()) require_rows("far_mass", layer.far_mass.size());
}

void write_layer(const Group& group, const AttentionLayer& layer) {
  const auto& s = layer.o.shape;
  group.set_string("pattern", layer.pattern);
  group.set_string("kernel", layer.kernel);
  group.set_number("density", layer.density);
  group.set_number("seconds", layer.seconds);
  group.write("o", layer.o, {"1", "output [batch, heads_q, seq, dim]"});
  group.write<float>("lse", layer.lse, {s[0], s[1], s[2]},
                     {"nats", "log of the softmax denominator [batch, heads_q, seq]"});
  if (!layer.far_mass.empty())
    group.write<float>("far_mass", layer.far_mass, {s[0], s[1], s[2]},
                       {"1", "share of the softmax on landmarks [batch, heads_q, seq]"});
}

AttentionLayer read_layer(const Group& group, int index) {
  AttentionLayer layer;
  layer.index = index;
  layer.pattern = group.string_attribute("pattern");
  layer.kernel = group.string_attribute("kernel");
  layer.density = group.number_attribute("density");
  layer.seconds = group.number_attribute("seconds");
  layer.o = group.read_tensor("o");
  const Shape rows{layer.o.shape[0], layer.o.shape[1], layer.o.shape[2]};
  layer.lse = group.dataset("lse").require_shape(rows).read<float>();
  if (group.has("far_mass")) layer.far_mass = group.dataset("far_mass").require_shape(rows).read<float>();
  return layer;
}

}  // namespace

void write_attention(const std::string& path, const std::vector<AttentionLayer>& layers, const Provenance& provenance) {
  std::vector<int> indices;
  bool any_errors = false;
  for (const AttentionLayer& layer : layers) {
    indices.push_back(layer.index);
    check_layer(layer);
    any_errors = any_errors || !layer.errors.empty();
  }
  check_layer_indices(indices);
  FileWriter writer(path, "attention", provenance);
  const Group outputs = writer.root().create_group("attention");
  for (const AttentionLayer& layer : layers) write_layer(outputs.create_group(layer_name(layer.index)), layer);
  if (any_errors) {
    const Group errors = writer.root().create_group("error");
    for (const AttentionLayer& layer : layers) {
      if (layer.errors.empty()) continue;
      const Group group = errors.create_group(layer_name(layer.index));
      for (const NamedArray& error : layer.errors) write_array(group, error);
    }
  }
  writer.commit();
}

std::vector<AttentionLayer> read_attention(const std::string& path) {
  const Group root = FileReader(path, "attention").root();
  const Group outputs = root.group("attention");
  std::vector<AttentionLayer> layers;
  for (const int index : layer_indices(outputs)) {
    const std::string name = layer_name(index);
    layers.push_back(read_layer(outputs.group(name), index));
    if (!root.has("error/" + name)) continue;
    const Group errors = root.group("error/" + name);
    for (const std::string& error : errors.names()) layers.back().errors.push_back(read_array(errors, error));
  }
  return layers;
}

}  // namespace halftone::io
