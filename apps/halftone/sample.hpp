// The embedded sample: real activations, in the source tree or installed.
#pragma once

#include <string>

namespace halftone::app {

/// Path of the sample: in an install beside the program (../share/halftone), else in the source tree of this build.
/// Throws Error naming both places when there is none.
std::string find_sample();

}  // namespace halftone::app
