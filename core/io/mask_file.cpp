#include "halftone/core/io/mask_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "halftone/core/io/file.hpp"
#include "halftone/core/io/layers.hpp"

namespace halftone::io {
namespace {

/// Sizes of the mask that are stored as attributes of the same names.
constexpr std::array<std::pair<const char*, std::int32_t HostBlockMask::*>, 6> kSizes{{
    {"batch", &HostBlockMask::batch},
    {"heads", &HostBlockMask::heads},
    {"tiles", &HostBlockMask::tiles},
    {"blocks", &HostBlockMask::blocks},
    {"block_q", &HostBlockMask::block_q},
    {"block_k", &HostBlockMask::block_k},
}};
constexpr std::array<std::pair<const char*, std::int64_t HostBlockMask::*>, 3> kCounts{{
    {"window_left", &HostBlockMask::window_left},
    {"window_right", &HostBlockMask::window_right},
    {"visible", &HostBlockMask::visible},
}};

template <class T>
void write_view(const Group& group, const char* name, const HostArray<T>& values, const Shape& shape,
                std::string_view description) {
  group.write<T>(name, std::span<const T>(values.data(), values.extent(0)), shape, {"1", description});
}

template <class T>
HostArray<T> read_view(const Group& group, const char* name, const Shape& shape) {
  const Dataset dataset = group.dataset(name).require_shape(shape);
  HostArray<T> values(uninitialized(dataset.name()), static_cast<std::size_t>(dataset.size()));
  dataset.read_into(number_type_of<T>, values.data());
  return values;
}

void write_one(const Group& group, const MaskLayer& layer) {
  const HostBlockMask& mask = layer.mask;
  for (const auto& [name, field] : kSizes) group.set_integer(name, mask.*field);
  for (const auto& [name, field] : kCounts) group.set_integer(name, mask.*field);
  group.set_integer("layer", layer.index);
  group.set_string("pattern", mask.pattern);
  group.set_string("parameters", mask.parameters);
  group.set_number("density", mask.density());

  const std::int64_t kept = mask.kept();
  write_view(group, "row_ptr", mask.row_ptr, {static_cast<std::int64_t>(mask.row_ptr.extent(0))},
             "start of each row's kept blocks; rows are (batch, head, query tile)");
  write_view(group, "col_idx", mask.col_idx, {kept}, "key block of each kept block, ascending within a row");
  write_view(group, "kind", mask.kind, {kept},
             "what decides inside: 0 all, sum of 1 causal, 2 window, 4 ragged, 8 bits");
  if (mask.bits_index.extent(0) > 0) {
    const std::int64_t words = mask.block_k / 64, rows = mask.block_q;
    write_view(group, "bits_index", mask.bits_index, {kept}, "index into bits of kept blocks of kind 8");
    write_view(group, "bits", mask.bits, {static_cast<std::int64_t>(mask.bits.extent(0)) / (rows * words), rows, words},
               "allowed pairs [block, query, word]; bit j of word w: key 64 w + j");
  }
}

MaskLayer read_one(const Group& group) {
  MaskLayer layer;
  HostBlockMask& mask = layer.mask;
  for (const auto& [name, field] : kSizes) {
    const std::int64_t value = group.integer_attribute(name);
    if (value < 0 || value > std::numeric_limits<std::int32_t>::max())
      group.fail(fmt::format("attribute `{}`: got {}, expected a 32-bit size", name, value));
    mask.*field = static_cast<std::int32_t>(value);
  }
  for (const auto& [name, field] : kCounts) mask.*field = group.integer_attribute(name);
  layer.index = static_cast<int>(group.integer_attribute("layer"));
  mask.pattern = group.string_attribute("pattern");
  mask.parameters = group.string_attribute("parameters");

  mask.row_ptr = read_view<std::int64_t>(group, "row_ptr", {std::int64_t{mask.batch} * mask.heads * mask.tiles + 1});
  mask.col_idx = read_view<std::int32_t>(group, "col_idx", {-1});
  mask.kind = read_view<std::uint8_t>(group, "kind", {mask.kept()});
  if (group.has("bits_index")) {
    mask.bits_index = read_view<std::int32_t>(group, "bits_index", {mask.kept()});
    mask.bits = read_view<std::uint64_t>(group, "bits", {-1, mask.block_q, mask.block_k / 64});
  }
  try {
    validate(mask);
  } catch (const InvalidArgument& problem) {
    group.fail(problem.what());
  }
  return layer;
}

}  // namespace

void write_mask(const std::string& path, std::span<const MaskLayer> layers, const Provenance& provenance) {
  std::vector<int> indices;
  for (const MaskLayer& layer : layers) {
    indices.push_back(layer.index);
    validate(layer.mask);
  }
  check_layer_indices(indices);
  FileWriter writer(path, "mask", provenance);
  const Group group = writer.root().create_group("mask");
  if (layers.size() == 1) {
    write_one(group, layers.front());
  } else {
    for (const MaskLayer& layer : layers) write_one(group.create_group(layer_name(layer.index)), layer);
  }
  writer.commit();
}

std::vector<MaskLayer> read_mask(const std::string& path) {
  const Group group = FileReader(path, "mask").root().group("mask");
  std::vector<MaskLayer> layers;
  if (group.has_attribute("block_q")) {
    layers.push_back(read_one(group));
  } else {
    for (const int index : layer_indices(group)) layers.push_back(read_one(group.group(layer_name(index))));
  }
  return layers;
}

}  // namespace halftone::io
