// Files of kind "eval": quality measures over scenarios, documents, patterns, densities, layers and heads.
#pragma once

#include <string>
#include <vector>

#include "halftone/core/io/arrays.hpp"
#include "halftone/core/io/provenance.hpp"

namespace halftone::io {

/// `/axes/<name>` are dimension scales, attached to `/arrays/<name>`; `/summary/<column>` is a table.
struct EvalFile {
  std::vector<Axis> axes;
  std::vector<NamedArray> arrays;  ///< each with its axes named
  Table summary;                   ///< may have no column
};

/// Throws FileError (FileWriter's reasons); InvalidArgument: an array whose axes are unknown or of other lengths.
void write_eval(const std::string& path, const EvalFile& eval, const Provenance& provenance);
EvalFile read_eval(const std::string& path);

}  // namespace halftone::io
