#include "halftone/core/tensor.hpp"

namespace halftone {

HostTensor convert(const HostTensor& tensor, DType dtype) {
  if (tensor.dtype == dtype) return tensor;
  HostTensor result(tensor.bytes.label(), dtype, tensor.shape);
  dispatch_dtype(tensor.dtype, [&](auto from) {
    dispatch_dtype(dtype, [&](auto to) {
      const auto* source = static_cast<const decltype(from)*>(tensor.data());
      auto* target = static_cast<decltype(to)*>(result.data());
      for (std::int64_t i = 0; i < tensor.size(); ++i) target[i] = decltype(to)(static_cast<float>(source[i]));
    });
  });
  return result;
}

}  // namespace halftone
