// Files of kind "bench": one row per measurement, and the raw samples behind each.
#pragma once

#include <string>
#include <vector>

#include "halftone/core/io/arrays.hpp"
#include "halftone/core/io/provenance.hpp"

namespace halftone::io {

/// Columns (kernel, pattern, dtype, seq, dim, density, seconds_median, ...) as `/bench/<column>`; the samples of row i
/// are /samples/seconds[begin[i] : begin[i + 1]] with begin = /samples/begin.
struct BenchFile {
  Table table;
  std::vector<std::vector<double>> samples;  ///< seconds, one list per row; or empty
};

/// Throws FileError (FileWriter's reasons); InvalidArgument: no row, columns or samples of another length.
void write_bench(const std::string& path, const BenchFile& bench, const Provenance& provenance);
BenchFile read_bench(const std::string& path);

}  // namespace halftone::io
