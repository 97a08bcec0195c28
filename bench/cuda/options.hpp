// Flags of the GPU benchmark beside Google Benchmark's and the harness's.
#pragma once

#include <string>
#include <vector>

namespace halftone::bench {

struct Options {
  bool table = false;           ///< --halftone_table: only the table of target rows
  std::string mask_file;        ///< --halftone_mask=FILE: also measure that file's masks
  std::string kernel = "sm90";  ///< --halftone_kernel=NAME: the kernel of the table
  std::string filter = ".*";    ///< --halftone_rows=REGEX: table rows, matched with "dim128 causal 8192"
  int samples = 20;             ///< --halftone_samples=N: timed calls of each kernel in the table
  int plans = 2;                ///< --halftone_plans=N: cuDNN plans tried in each layout; 0: all
};

/// Takes the flags above out of the arguments. Throws InvalidArgument for a number that is none.
Options take_options(std::vector<char*>& arguments);

}  // namespace halftone::bench
