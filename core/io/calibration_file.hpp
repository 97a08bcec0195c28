// Files of kind "calibration": what the halftone pattern should know about a model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "halftone/core/io/provenance.hpp"

namespace halftone::io {

struct CalibrationFile {
  std::int64_t layers = 0, heads = 0;  ///< of the model; heads: query heads
  std::vector<float> head_weight;      ///< [layers, heads] output weight of each head
  std::vector<std::uint8_t> gate;      ///< [layers, heads] 1: landmarks help this head
  double tolerance = 0.0;              ///< that met `density` over the calibration documents
  double density = 0.0;
  std::string parameters = "{}";  ///< of the pattern, as JSON, without tolerance
  std::string source;             ///< model and documents, free text
};

/// Throws FileError (FileWriter's reasons) and InvalidArgument: sizes that are not positive, arrays of another length,
/// weights that are negative or not finite, gates other than 0 and 1, a tolerance or density that is not positive.
void write_calibration(const std::string& path, const CalibrationFile& calibration, const Provenance& provenance);

/// Throws FileError: FileReader's reasons, and everything write_calibration refuses.
CalibrationFile read_calibration(const std::string& path);

}  // namespace halftone::io
