// Flags of the GPU benchmark beside Google Benchmark's and the harness's.
#pragma once

#include <string>
#include <vector>

namespace halftone::bench {

struct Options {
  bool table = false;           ///< --halftone_table: only the table of target rows
  std::string hdf5_file;        ///< --halftone_hdf5=FILE with the table: its rows as a file of kind "bench"
  std::string mask_file;        ///< --halftone_mask=FILE: also measure that file's masks, in the table beside even ones
  std::string kernel = "sm90";  ///< --halftone_kernel=NAME: the kernel of the table
  std::string filter = ".*";    ///< --halftone_rows=REGEX: table rows, matched with "dim128 causal 8192 heads 16/16"
  int samples = 20;             ///< --halftone_samples=N: timed calls of each kernel in the table
  int plans = 2;                ///< --halftone_plans=N: cuDNN plans tried in each layout; 0: all
  std::string command;          ///< the whole command line
};

/// Takes the flags above out of the arguments; without the table --halftone_hdf5 stays, for the harness. Throws
/// InvalidArgument for a number that is none, and with the table for any other flag.
Options take_options(std::vector<char*>& arguments);

}  // namespace halftone::bench
