// The rows of the performance targets, measured quickly.
#pragma once

#include "options.hpp"

namespace halftone::bench {

/// Prints one line per target: dense (cuDNN and the project's kernel) and sparse, taking turns, L2 flushed; writes
/// options.hdf5_file. Returns 0, or 1 when an output was wrong or a row could not be measured. Throws InvalidArgument
/// for an unknown kernel or rows, FileError for files.
int run_table(const Options& options);

}  // namespace halftone::bench
