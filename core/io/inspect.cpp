#include <fmt/format.h>
#include <fmt/ranges.h>

#include "halftone/core/io/file.hpp"
#include "halftone/core/io/hdf5_detail.hpp"

namespace halftone::io {
namespace {

constexpr std::int64_t kShown = 8;        // elements of an attribute that are printed
constexpr std::size_t kDeepest = 2 * 32;  // indentation; hard links can make groups contain themselves

/// In quotes and on one line.
std::string quoted(const std::string& text) {
  std::string line = "\"";
  for (const char c : text) line += c == '\n' ? "\\n" : std::string(1, c);
  return line + "\"";
}

template <class T>
std::vector<std::string> read_numbers(hid_t attribute, hid_t memory_type, std::size_t count) {
  std::vector<T> values(count);
  if (H5Aread(attribute, memory_type, values.data()) < 0) return {};
  std::vector<std::string> texts;
  for (const T value : values) {
    if constexpr (std::is_floating_point_v<T>)
      texts.push_back(fmt::format("{:.7g}", value));
    else
      texts.push_back(fmt::format("{}", value));
  }
  return texts;
}

/// The attribute's elements; none where they are neither text nor numbers.
std::vector<std::string> attribute_elements(hid_t attribute, hid_t type, std::size_t count) {
  std::vector<std::string> texts;
  switch (H5Tget_class(type)) {
    case H5T_STRING:
      for (const std::string& text : read_strings(attribute, type, count, H5Aread).value_or(texts))
        texts.push_back(quoted(text));
      return texts;
    case H5T_INTEGER:
      if (H5Tget_sign(type) == H5T_SGN_NONE) return read_numbers<std::uint64_t>(attribute, H5T_NATIVE_UINT64, count);
      [[fallthrough]];
    case H5T_ENUM: return read_numbers<std::int64_t>(attribute, H5T_NATIVE_INT64, count);
    case H5T_FLOAT: return read_numbers<double>(attribute, H5T_NATIVE_DOUBLE, count);
    default: return texts;
  }
}

/// The attribute's value; its type and shape where that is long or neither text nor numbers.
std::string attribute_text(const Object& object, const std::string& name) {
  const Handle attribute(H5Aopen(object.id(), name.c_str(), H5P_DEFAULT), H5Aclose);
  const Handle type(H5Aget_type(attribute.id()), H5Tclose), space(H5Aget_space(attribute.id()), H5Sclose);
  const std::int64_t count = H5Sget_simple_extent_npoints(space.id());
  std::vector<std::string> texts;
  if (count > 0 && count <= kShown)
    texts = attribute_elements(attribute.id(), type.id(), static_cast<std::size_t>(count));
  if (texts.empty()) return fmt::format("{} {}", describe_type(type.id()), to_string(shape_of(space.id())));
  return texts.size() == 1 ? texts.front() : fmt::format("[{}]", fmt::join(texts, ", "));
}

void print_attributes(const Object& object, const std::string& indent, std::string& out) {
  for (const std::string& name : object.attributes())
    out += fmt::format("{}@{} = {}\n", indent, name, attribute_text(object, name));
}

void print_group(const Group& group, const std::string& indent, std::string& out) {
  print_attributes(group, indent, out);
  for (const std::string& name : group.names()) {
    if (!group.has(name)) {
      out += fmt::format("{}{}: a link to nothing\n", indent, name);
    } else if (group.is_group(name)) {
      out += fmt::format("{}{}/\n", indent, name);
      if (indent.size() < kDeepest) print_group(group.group(name), indent + "  ", out);
    } else if (!group.is_dataset(name)) {
      out += fmt::format("{}{}: a named type\n", indent, name);
    } else {
      const Dataset dataset = group.dataset(name);
      out += fmt::format("{}{}: {} {}\n", indent, name, dataset.type_name(), to_string(dataset.shape()));
      print_attributes(dataset, indent + "  ", out);
    }
  }
}

}  // namespace

std::string inspect(const std::string& path) {
  const Group root = open_file(path);
  const bool ours =
      root.has_attribute("format") && root.has_attribute("kind") && root.string_attribute("format") == "halftone";
  std::string out = fmt::format(
      "{}: {}\n", path, ours ? fmt::format("halftone file of kind {}", root.string_attribute("kind")) : "HDF5 file");
  print_group(root, "  ", out);
  return out;
}

}  // namespace halftone::io
