#include "halftone/eval/model/weights.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "halftone/core/error.hpp"

namespace halftone::eval {

void validate(const io::ModelFile& file) {
  const io::ModelSizes& s = file.sizes;
  const std::pair<const char*, std::int64_t> counts[] = {
      {"vocab_size", s.vocab_size},     {"hidden_size", s.hidden_size}, {"num_layers", s.num_layers},
      {"num_heads", s.num_heads},       {"num_kv_heads", s.num_kv_heads}, {"head_dim", s.head_dim},
      {"intermediate_size", s.intermediate_size}};
  for (const auto& [name, value] : counts) {
    if (value <= 0) throw InvalidArgument(name, fmt::format("{}", value), "a positive number");
  }
  if (s.num_heads % s.num_kv_heads != 0) {
    throw InvalidArgument("num_heads", fmt::format("{}", s.num_heads),
                          fmt::format("a multiple of num_kv_heads, {}", s.num_kv_heads));
  }
  if (s.head_dim % 2 != 0) {
    throw InvalidArgument("head_dim", fmt::format("{}", s.head_dim), "an even number, for rotary positions");
  }
  for (const auto& [name, shape] : io::model_parameter_shapes(s)) {
    const auto found = file.parameters.find(name);
    if (found == file.parameters.end()) {
      throw InvalidArgument("model", "no parameter " + name, "one of shape " + io::to_string(shape));
    }
    if (found->second.shape != shape) {
      throw InvalidArgument("parameter " + name, "shape " + io::to_string(found->second.shape), io::to_string(shape));
    }
  }
}

Array<float> load_vector(const io::ModelFile& file, const std::string& name) {
  const HostTensor values = convert(file[name], DType::float32);
  const HostArray<const float> host(static_cast<const float*>(values.data()), values.size());
  const Array<float> device(uninitialized("halftone::eval::" + name), values.size());
  Kokkos::deep_copy(device, host);
  return device;
}

Matrix load_matrix(const io::ModelFile& file, std::initializer_list<std::string> names) {
  std::size_t rows = 0, columns = 0;
  for (const std::string& name : names) {
    rows += file[name].shape[2];
    columns = file[name].shape[3];
  }
  const Matrix device(uninitialized("halftone::eval::" + *names.begin()), rows, columns);
  const auto host = Kokkos::create_mirror_view(device);
  float* next = host.data();
  for (const std::string& name : names) {
    const HostTensor values = convert(file[name], DType::float32);
    next = std::copy_n(static_cast<const float*>(values.data()), values.size(), next);
  }
  Kokkos::deep_copy(device, host);
  return device;
}

}  // namespace halftone::eval
