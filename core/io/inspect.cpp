#include <fmt/format.h>
#include <fmt/ranges.h>

#include "halftone/core/io/file.hpp"
#include "halftone/core/io/hdf5_detail.hpp"

namespace halftone::io {
namespace {

constexpr std::int64_t kShown = 8;       // elements of an attribute that are printed
constexpr std::size_t kDeepest = 2 * 32;  // indentation; hard links can make groups contain themselves

template <class T>
std::string list(const std::vector<T>& values) {
  return values.size() == 1 ? fmt::format("{}", values.front()) : fmt::format("[{}]", fmt::join(values, ", "));
}

/// In quotes and on one line.
std::string quoted(const std::string& text) {
  std::string line = "\"";
  for (const char c : text) line += c == '\n' ? "\\n" : std::string(1, c);
  return line + "\"";
}

/// The attribute's value; its shape and type where that is long or not text or numbers.
std::string attribute_text(const Object& object, const std::string& name) {
  const Handle attribute(H5Aopen(object.id(), name.c_str(), H5P_DEFAULT), H5Aclose);
  const Handle type(H5Aget_type(attribute.id()), H5Tclose), space(H5Aget_space(attribute.id()), H5Sclose);
  const std::int64_t count = H5Sget_simple_extent_npoints(space.id());
  const auto size = static_cast<std::size_t>(count);
  const H5T_class_t type_class = H5Tget_class(type.id());
  if (count > 0 && count <= kShown) {
    if (type_class == H5T_STRING) {
      if (auto strings = read_strings(attribute.id(), type.id(), size, H5Aread)) {
        for (std::string& text : *strings) text = quoted(text);
        return list(*strings);
      }
    }
    if (type_class == H5T_INTEGER || type_class == H5T_ENUM) {
      std::vector<std::int64_t> values(size);
      if (H5Aread(attribute.id(), H5T_NATIVE_INT64, values.data()) >= 0) return list(values);
    }
    if (type_class == H5T_FLOAT) {
      std::vector<double> values(size);
      if (H5Aread(attribute.id(), H5T_NATIVE_DOUBLE, values.data()) >= 0) return list(values);
    }
  }
  return fmt::format("{} {}", describe_type(type.id()), to_string(shape_of(space.id())));
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
  const bool ours = root.has_attribute("format") && root.has_attribute("kind") &&
                    root.string_attribute("format") == "halftone";
  std::string out = fmt::format("{}: {}\n", path,
                                ours ? fmt::format("halftone file of kind {}", root.string_attribute("kind")) : "HDF5 file");
  print_group(root, "  ", out);
  return out;
}

}  // namespace halftone::io
