// Arrays and tables of results: N-D arrays on named axes, columns of equal length.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "halftone/core/io/hdf5.hpp"

namespace halftone::io {

/// A float64 array with its meaning; row-major.
struct NamedArray {
  std::string name;
  Shape shape;
  std::vector<double> values;
  std::string units = "1";
  std::string description;
  std::vector<std::string> axes;  ///< names of Axis objects, one per dimension, or empty
};

/// The coordinates along a dimension (an HDF5 dimension scale).
struct Axis {
  std::string name;
  std::variant<std::vector<double>, std::vector<std::string>> values;
  std::string units = "1";
  std::string description;

  std::int64_t size() const;
};

/// One column of a table.
struct Column {
  using Values = std::variant<std::vector<double>, std::vector<std::int64_t>, std::vector<std::string>>;
  std::string name;
  Values values;
  std::string units = "1";  ///< not kept for strings
  std::string description;

  std::int64_t size() const;
};

/// Columns of equal length, in order.
struct Table {
  std::vector<Column> columns;

  std::int64_t rows() const;
  /// Throws InvalidArgument listing the columns there are.
  const Column& column(std::string_view name) const;
};

/// Throws InvalidArgument: columns of different lengths, a name twice.
void validate(const Table& table);
/// Each column as a 1-D dataset of the group. Throws what validate() does.
void write_table(const Group& group, const Table& table);
/// Every dataset of the group as a column (floating point as double, integers as int64). Throws FileError: a dataset
/// that is not 1-D, is of another length or type.
Table read_table(const Group& group);

/// Throws InvalidArgument when the values do not fill the shape.
void validate(const NamedArray& array);
/// Writes the array without its axes. Throws what validate() does.
void write_array(const Group& group, const NamedArray& array);
NamedArray read_array(const Group& group, const std::string& name);

void write_axis(const Group& group, const Axis& axis);
Axis read_axis(const Group& group, const std::string& name);
/// Attaches the array's axes, datasets of `axes`, to the dimensions of its dataset in `arrays`.
void attach_axes(const Group& arrays, const NamedArray& array, const Group& axes);

}  // namespace halftone::io
