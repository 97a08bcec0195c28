// Files of kind "mask": block masks.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "halftone/core/block_mask.hpp"
#include "halftone/core/io/provenance.hpp"

namespace halftone::io {

/// The mask of one layer: in /mask itself when it is the file's only one, else in /mask/layer_NN.
struct MaskLayer {
  int index = 0;
  HostBlockMask mask;
};

/// Throws FileError (FileWriter's reasons); InvalidArgument for no layer or a mask that validate() refuses.
void write_mask(const std::string& path, std::span<const MaskLayer> layers, const Provenance& provenance);

/// Throws FileError: FileReader's reasons, datasets or attributes missing or of another type, and what validate() says.
std::vector<MaskLayer> read_mask(const std::string& path);

}  // namespace halftone::io
