#include "halftone/core/io/model_file.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "halftone/core/io/file.hpp"

namespace halftone::io {
namespace {

constexpr std::array<std::pair<const char*, std::int64_t ModelSizes::*>, 7> kIntegers{{
    {"vocab_size", &ModelSizes::vocab_size},
    {"hidden_size", &ModelSizes::hidden_size},
    {"num_layers", &ModelSizes::num_layers},
    {"num_heads", &ModelSizes::num_heads},
    {"num_kv_heads", &ModelSizes::num_kv_heads},
    {"head_dim", &ModelSizes::head_dim},
    {"intermediate_size", &ModelSizes::intermediate_size},
}};
constexpr std::array<std::pair<const char*, double ModelSizes::*>, 2> kNumbers{{
    {"rope_theta", &ModelSizes::rope_theta},
    {"norm_eps", &ModelSizes::norm_eps},
}};

void check(const ModelSizes& sizes) {
  for (const auto& [name, field] : kIntegers)
    if (sizes.*field <= 0) throw InvalidArgument(name, std::to_string(sizes.*field), "a positive number");
  for (const auto& [name, field] : kNumbers)
    if (!(sizes.*field > 0.0) || !std::isfinite(sizes.*field))
      throw InvalidArgument(name, fmt::format("{}", sizes.*field), "a positive number");
  if (sizes.num_heads % sizes.num_kv_heads != 0)
    throw InvalidArgument("num_heads", fmt::format("{} with {} key-value heads", sizes.num_heads, sizes.num_kv_heads),
                          "a multiple of num_kv_heads");
  if (sizes.head_dim % 2 != 0)
    throw InvalidArgument("head_dim", std::to_string(sizes.head_dim), "an even number (rotary positions)");
}

HostTensor::Shape tensor_shape(const Shape& shape) {
  return shape.size() == 1 ? HostTensor::Shape{1, 1, 1, shape[0]} : HostTensor::Shape{1, 1, shape[0], shape[1]};
}

void check(const ModelFile& model) {
  check(model.sizes);
  const std::map<std::string, Shape> shapes = model_parameter_shapes(model.sizes);
  for (const auto& [name, shape] : shapes) {
    const auto found = model.parameters.find(name);
    if (found == model.parameters.end()) throw InvalidArgument(name, "no parameter", to_string(shape));
    const ModelParameter& parameter = found->second;
    if (parameter.shape != shape) throw InvalidArgument(name, to_string(parameter.shape), to_string(shape));
    if (parameter.values.shape != tensor_shape(shape)) {
      const auto expected = tensor_shape(shape);
      throw InvalidArgument(name + " values", to_string({parameter.values.shape.begin(), parameter.values.shape.end()}),
                            to_string({expected.begin(), expected.end()}));
    }
  }
  for (const auto& [name, parameter] : model.parameters)
    if (!shapes.contains(name)) throw InvalidArgument("parameter", name, "the names of a Llama model of these sizes");
}

ModelSizes read_sizes(const Group& root) {
  ModelSizes sizes;
  for (const auto& [name, field] : kIntegers) sizes.*field = root.integer_attribute(name);
  for (const auto& [name, field] : kNumbers) sizes.*field = root.number_attribute(name);
  sizes.tie_embeddings = root.integer_attribute("tie_embeddings") != 0;
  try {
    check(sizes);
  } catch (const InvalidArgument& problem) {
    root.fail(std::string("attribute ") + problem.what());
  }
  return sizes;
}

}  // namespace

const HostTensor& ModelFile::operator[](const std::string& name) const {
  const auto found = parameters.find(name);
  if (found == parameters.end()) throw InvalidArgument("parameter", name, "one of the model's");
  return found->second.values;
}

std::map<std::string, Shape> model_parameter_shapes(const ModelSizes& s) {
  const std::int64_t hidden = s.hidden_size, inner = s.intermediate_size;
  const std::int64_t queries = s.num_heads * s.head_dim, keys = s.num_kv_heads * s.head_dim;
  std::map<std::string, Shape> shapes{{"model.embed_tokens.weight", {s.vocab_size, hidden}},
                                      {"model.norm.weight", {hidden}}};
  if (!s.tie_embeddings) shapes["lm_head.weight"] = {s.vocab_size, hidden};
  for (std::int64_t layer = 0; layer < s.num_layers; ++layer) {
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    shapes[prefix + "input_layernorm.weight"] = {hidden};
    shapes[prefix + "self_attn.q_proj.weight"] = {queries, hidden};
    shapes[prefix + "self_attn.k_proj.weight"] = {keys, hidden};
    shapes[prefix + "self_attn.v_proj.weight"] = {keys, hidden};
    shapes[prefix + "self_attn.o_proj.weight"] = {hidden, queries};
    shapes[prefix + "post_attention_layernorm.weight"] = {hidden};
    shapes[prefix + "mlp.gate_proj.weight"] = {inner, hidden};
    shapes[prefix + "mlp.up_proj.weight"] = {inner, hidden};
    shapes[prefix + "mlp.down_proj.weight"] = {hidden, inner};
  }
  return shapes;
}

void write_model(const std::string& path, const ModelFile& model, const Provenance& provenance) {
  check(model);
  FileWriter writer(path, "model", provenance);
  const Group root = writer.root();
  for (const auto& [name, field] : kIntegers) root.set_integer(name, model.sizes.*field);
  for (const auto& [name, field] : kNumbers) root.set_number(name, model.sizes.*field);
  root.set_integer("tie_embeddings", model.sizes.tie_embeddings);
  root.set_string("architecture", "llama");
  root.set_string("rope_layout", "half-split (Hugging Face Llama)");
  for (const auto& [name, parameter] : model.parameters)
    root.write(name, number_type(parameter.values.dtype), parameter.values.data(), parameter.shape,
               {"1", parameter.shape.size() == 1 ? "[size]" : "[out, in]"});
  writer.commit();
}

ModelFile read_model(const std::string& path) {
  const Group root = FileReader(path, "model").root();
  ModelFile model{read_sizes(root), {}};
  for (const auto& [name, shape] : model_parameter_shapes(model.sizes)) {
    const Dataset data = root.dataset(name).require_shape(shape);
    const NumberType type = data.require_type({NumberType::float32, NumberType::float16, NumberType::bfloat16});
    ModelParameter parameter{shape, HostTensor(name, dtype_from_name(name_of(type)), tensor_shape(shape))};
    data.read_into(type, parameter.values.data());
    model.parameters.emplace(name, std::move(parameter));
  }
  return model;
}

}  // namespace halftone::io
