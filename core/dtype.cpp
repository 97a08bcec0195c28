#include "halftone/core/dtype.hpp"

#include "halftone/core/error.hpp"

namespace halftone {

std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::float16: return "float16";
    case DType::bfloat16: return "bfloat16";
    default: return "float32";
  }
}

DType dtype_from_name(std::string_view name) {
  for (DType dtype : {DType::float32, DType::float16, DType::bfloat16})
    if (name == name_of(dtype)) return dtype;
  throw InvalidArgument("dtype", name, "float32, float16 or bfloat16");
}

}  // namespace halftone
