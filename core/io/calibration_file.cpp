#include "halftone/core/io/calibration_file.hpp"

#include <fmt/format.h>

#include <cmath>

#include "halftone/core/error.hpp"
#include "halftone/core/io/file.hpp"

namespace halftone::io {
namespace {

void require(bool ok, std::string_view what, const std::string& got, std::string_view expected) {
  if (!ok) throw InvalidArgument(what, got, expected);
}

void validate(const CalibrationFile& c) {
  require(c.layers > 0 && c.heads > 0, "calibration", fmt::format("{} layers of {} heads", c.layers, c.heads),
          "positive numbers");
  const auto size = static_cast<std::size_t>(c.layers * c.heads);
  require(c.head_weight.size() == size, "head_weight", fmt::format("{} values", c.head_weight.size()),
          std::to_string(size));
  require(c.gate.size() == size, "gate", fmt::format("{} values", c.gate.size()), std::to_string(size));
  for (const float weight : c.head_weight)
    require(std::isfinite(weight) && weight >= 0.0f, "head_weight", fmt::format("{}", weight),
            "finite numbers that are not negative");
  for (const std::uint8_t gate : c.gate) require(gate <= 1, "gate", std::to_string(gate), "0 or 1");
  require(std::isfinite(c.tolerance) && c.tolerance > 0.0, "tolerance", fmt::format("{}", c.tolerance),
          "a positive number");
  require(c.density > 0.0 && c.density <= 1.0, "density", fmt::format("{}", c.density), "more than 0 and at most 1");
}

}  // namespace

void write_calibration(const std::string& path, const CalibrationFile& c, const Provenance& provenance) {
  validate(c);
  FileWriter writer(path, "calibration", provenance);
  const Group group = writer.root().create_group("calibration");
  group.write<float>("head_weight", c.head_weight, {c.layers, c.heads},
                     {"1", "output weight of each head: RMS norm of what it adds to the residual stream, mean 1"});
  group.write<std::uint8_t>("gate", c.gate, {c.layers, c.heads}, {"1", "1: landmarks lower this head's output error"});
  group.set_number("tolerance", c.tolerance);
  group.set_number("density", c.density);
  group.set_string("parameters", c.parameters);
  group.set_string("source", c.source);
  writer.commit();
}

CalibrationFile read_calibration(const std::string& path) {
  const Group group = FileReader(path, "calibration").root().group("calibration");
  CalibrationFile c;
  const Dataset weights = group.dataset("head_weight").require_shape({-1, -1});
  c.layers = weights.shape()[0];
  c.heads = weights.shape()[1];
  c.head_weight = weights.read<float>();
  c.gate = group.dataset("gate").require_shape({c.layers, c.heads}).read<std::uint8_t>();
  c.tolerance = group.number_attribute("tolerance");
  c.density = group.number_attribute("density");
  c.parameters = group.string_attribute("parameters");
  c.source = group.string_attribute("source");
  try {
    validate(c);
  } catch (const InvalidArgument& problem) {
    group.fail(problem.what());
  }
  return c;
}

}  // namespace halftone::io
