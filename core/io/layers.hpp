// The layer_NN groups that several kinds of file share.
#pragma once

#include <string>
#include <vector>

#include "halftone/core/io/hdf5.hpp"

namespace halftone::io {

/// "layer_07".
std::string layer_name(int index);

/// Indices of the group's layer_NN children, ascending; throws FileError when it has none.
std::vector<int> layer_indices(const Group& group);

/// Throws InvalidArgument when there is none, an index is negative, or one occurs twice.
void check_layer_indices(const std::vector<int>& indices);

}  // namespace halftone::io
