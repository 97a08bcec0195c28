#include "halftone/core/io/layers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace halftone::io {

std::string layer_name(int index) { return fmt::format("layer_{:02d}", index); }

std::vector<int> layer_indices(const Group& group) {
  constexpr std::string_view prefix = "layer_";
  std::vector<int> indices;
  for (const std::string& name : group.names()) {
    if (!name.starts_with(prefix)) continue;
    int index = -1;
    std::from_chars(name.data() + prefix.size(), name.data() + name.size(), index);
    if (index >= 0 && name == layer_name(index)) indices.push_back(index);
  }
  if (indices.empty()) group.fail("got no layer, expected groups layer_NN");
  std::sort(indices.begin(), indices.end());
  return indices;
}

void check_layer_indices(const std::vector<int>& indices) {
  if (indices.empty()) throw InvalidArgument("layers", "none", "at least one");
  std::vector<int> sorted = indices;
  std::sort(sorted.begin(), sorted.end());
  if (sorted.front() < 0) throw InvalidArgument("layer index", std::to_string(sorted.front()), "0 or more");
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) throw InvalidArgument("layer index", fmt::format("{} twice", *twice), "each layer once");
}

}  // namespace halftone::io
