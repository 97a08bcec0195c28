#include "halftone/core/io/eval_file.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "halftone/core/io/file.hpp"

namespace halftone::io {
namespace {

void check_axes(const NamedArray& array, const std::vector<Axis>& axes) {
  validate(array);
  if (array.axes.size() != array.shape.size())
    throw InvalidArgument("array " + array.name, fmt::format("{} axes", array.axes.size()),
                          fmt::format("{}, one per dimension", array.shape.size()));
  for (std::size_t dimension = 0; dimension < array.axes.size(); ++dimension) {
    const std::string& name = array.axes[dimension];
    const auto axis = std::find_if(axes.begin(), axes.end(), [&](const Axis& one) { return one.name == name; });
    if (axis == axes.end()) throw InvalidArgument("array " + array.name, "axis " + name, "an axis of the file");
    if (axis->size() != array.shape[dimension])
      throw InvalidArgument(fmt::format("array {} along {}", array.name, name), std::to_string(array.shape[dimension]),
                            std::to_string(axis->size()));
  }
}

}  // namespace

void write_eval(const std::string& path, const EvalFile& eval, const Provenance& provenance) {
  for (const NamedArray& array : eval.arrays) check_axes(array, eval.axes);
  validate(eval.summary);
  FileWriter writer(path, "eval", provenance);
  const Group axes = writer.root().create_group("axes"), arrays = writer.root().create_group("arrays");
  for (const Axis& axis : eval.axes) write_axis(axes, axis);
  for (const NamedArray& array : eval.arrays) {
    write_array(arrays, array);
    attach_axes(arrays, array, axes);
  }
  write_table(writer.root().create_group("summary"), eval.summary);
  writer.commit();
}

EvalFile read_eval(const std::string& path) {
  const Group root = FileReader(path, "eval").root();
  const Group axes = root.group("axes"), arrays = root.group("arrays");
  EvalFile eval;
  for (const std::string& name : axes.names()) eval.axes.push_back(read_axis(axes, name));
  for (const std::string& name : arrays.names()) {
    eval.arrays.push_back(read_array(arrays, name));
    try {
      check_axes(eval.arrays.back(), eval.axes);
    } catch (const InvalidArgument& problem) {
      throw FileError(path, problem.what());
    }
  }
  eval.summary = read_table(root.group("summary"));
  return eval;
}

}  // namespace halftone::io
