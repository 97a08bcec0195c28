// The HDF5 file driver that files are written through.
#pragma once

#include "halftone/core/io/hdf5.hpp"

namespace halftone::io {

/// A new HDF5 file in the open, empty file `descriptor`, which stays open when the handle closes.
/// HDF5 does not survive a failed write: it aborts or crashes when it closes the file or the program ends (1.10
/// to 1.14). So its writes never fail: the first error goes to `error` as an errno value, and what follows is dropped.
/// `error` must outlive the handle; the file is good only if it is 0 after the handle was closed.
/// Throws FileError, for `path`.
Handle create_output(int descriptor, int& error, const std::string& path);

}  // namespace halftone::io
