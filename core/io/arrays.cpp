#include "halftone/core/io/arrays.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <hdf5_hl.h>

#include <set>

#include "halftone/core/io/hdf5_detail.hpp"

namespace halftone::io {
namespace {

constexpr auto kLength = [](const auto& values) { return static_cast<std::int64_t>(values.size()); };

/// Writes a list of doubles, integers or strings as a 1-D dataset.
template <class T>
Dataset write_list(const Group& group, const std::string& name, const std::vector<T>& values, std::string_view units,
                   std::string_view description) {
  if constexpr (std::is_same_v<T, std::string>)
    return group.write_strings(name, values, description);
  else
    return group.write<T>(name, values, {kLength(values)}, {units, description});
}

std::string text_or_empty(const Object& object, const std::string& attribute) {
  return object.has_attribute(attribute) ? object.string_attribute(attribute) : std::string{};
}

/// Names of the scales attached to an array, one per dimension; empty unless every dimension has one.
std::vector<std::string> attached_axes(const Dataset& array) {
  std::vector<std::string> axes;
  const auto take = [](hid_t, unsigned, hid_t scale, void* into) -> herr_t {
    char name[256];
    if (H5DSget_scale_name(scale, name, sizeof name) > 0)
      static_cast<std::vector<std::string>*>(into)->emplace_back(name);
    return 1;
  };
  for (unsigned dimension = 0; dimension < array.shape().size(); ++dimension) {
    if (H5DSget_num_scales(array.id(), dimension) < 1) return {};
    H5DSiterate_scales(array.id(), dimension, nullptr, take, &axes);
  }
  return axes;
}

}  // namespace

std::int64_t Axis::size() const { return std::visit(kLength, values); }
std::int64_t Column::size() const { return std::visit(kLength, values); }
std::int64_t Table::rows() const { return columns.empty() ? 0 : columns.front().size(); }

const Column& Table::column(std::string_view name) const {
  std::vector<std::string_view> names;
  for (const Column& column : columns) {
    if (column.name == name) return column;
    names.push_back(column.name);
  }
  throw InvalidArgument("column", name, fmt::format("one of {}", fmt::join(names, ", ")));
}

void validate(const Table& table) {
  std::set<std::string_view> names;
  for (const Column& column : table.columns) {
    if (!names.insert(column.name).second) throw InvalidArgument("column", column.name + " twice", "each name once");
    if (column.size() != table.rows())
      throw InvalidArgument("column " + column.name, fmt::format("{} rows", column.size()),
                            fmt::format("{}, as {}", table.rows(), table.columns.front().name));
  }
}

void write_table(const Group& group, const Table& table) {
  validate(table);
  for (const Column& column : table.columns)
    std::visit([&](const auto& values) { write_list(group, column.name, values, column.units, column.description); },
               column.values);
}

Table read_table(const Group& group) {
  Table table;
  for (const std::string& name : group.names()) {
    const Dataset data = group.dataset(name);
    data.require_shape({table.columns.empty() ? -1 : table.rows()});
    Column column{name, {}, text_or_empty(data, "units"), text_or_empty(data, "description")};
    if (data.is_string())
      column.values = data.read_strings();
    else if (data.is_integer())
      column.values = data.read_integers();
    else
      column.values = data.read_doubles();
    table.columns.push_back(std::move(column));
  }
  return table;
}

void validate(const NamedArray& array) {
  std::int64_t size = 1;
  for (const std::int64_t length : array.shape) size *= length;
  if (size != kLength(array.values))
    throw InvalidArgument("array " + array.name, fmt::format("{} values", array.values.size()),
                          fmt::format("{} for shape {}", size, to_string(array.shape)));
}

void write_array(const Group& group, const NamedArray& array) {
  validate(array);
  group.write<double>(array.name, array.values, array.shape, {array.units, array.description});
}

NamedArray read_array(const Group& group, const std::string& name) {
  const Dataset data = group.dataset(name);
  return {name,
          data.shape(),
          data.read_doubles(),
          text_or_empty(data, "units"),
          text_or_empty(data, "description"),
          attached_axes(data)};
}

void write_axis(const Group& group, const Axis& axis) {
  const Dataset scale =
      std::visit([&](const auto& values) { return write_list(group, axis.name, values, axis.units, axis.description); },
                 axis.values);
  if (H5DSset_scale(scale.id(), axis.name.c_str()) < 0)
    scale.fail("cannot make it a dimension scale: " + hdf5_reason());
}

Axis read_axis(const Group& group, const std::string& name) {
  const Dataset data = group.dataset(name).require_shape({-1});
  Axis axis{name, {}, text_or_empty(data, "units"), text_or_empty(data, "description")};
  if (data.is_string())
    axis.values = data.read_strings();
  else
    axis.values = data.read_doubles();
  return axis;
}

void attach_axes(const Group& arrays, const NamedArray& array, const Group& axes) {
  const Dataset data = arrays.dataset(array.name);
  for (std::size_t dimension = 0; dimension < array.axes.size(); ++dimension) {
    const Dataset scale = axes.dataset(array.axes[dimension]);
    if (H5DSattach_scale(data.id(), scale.id(), static_cast<unsigned>(dimension)) < 0)
      data.fail("cannot attach " + scale.name() + ": " + hdf5_reason());
  }
}

}  // namespace halftone::io
