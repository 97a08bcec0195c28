// Parameters of a model file as float32 on the device.
#pragma once

#include <initializer_list>

#include "halftone/core/io/model_file.hpp"
#include "halftone/eval/model/matrix.hpp"

namespace halftone::eval {

/// Throws InvalidArgument: sizes that are not positive or do not fit together, a parameter missing or of another shape.
void validate(const io::ModelFile& file);

/// A one-dimensional parameter.
Array<float> load_vector(const io::ModelFile& file, const std::string& name);

/// Two-dimensional parameters [out, in], one below the other.
Matrix load_matrix(const io::ModelFile& file, std::initializer_list<std::string> names);

}  // namespace halftone::eval
