#include "halftone/eval/quality/attention_path.hpp"

#include "halftone/kernels/attention.hpp"

namespace halftone::eval {
namespace {

template <class From, class To>
void convert_elements(const Tensor& from, const Tensor& to) {
  const auto* source = static_cast<const From*>(from.data());
  auto* target = static_cast<To*>(to.data());
  Kokkos::parallel_for(
      "halftone::eval::in_dtype", Kokkos::RangePolicy<ExecSpace, Kokkos::IndexType<std::int64_t>>(0, from.size()),
      KOKKOS_LAMBDA(const std::int64_t i) { target[i] = To(static_cast<float>(source[i])); });
}

}  // namespace

Tensor in_dtype(const Tensor& tensor, DType dtype) {
  if (tensor.dtype == dtype) return tensor;
  const Tensor result("halftone::eval::in_dtype", dtype, tensor.shape);
  dispatch_dtype(tensor.dtype, [&](auto from) {
    dispatch_dtype(dtype, [&](auto to) { convert_elements<decltype(from), decltype(to)>(tensor, result); });
  });
  return result;
}

AttentionHook dense_attention_by(const AttentionPath& path, std::string* kernel) {
  return [path, kernel](int, const Tensor& q, const Tensor& k, const Tensor& v) {
    const LayerTensors in(q, k, v, path.dtype);
    AttentionOptions options;
    options.kernel = path.kernel;
    const AttentionResult result = block_sparse_attention(in.q, in.k, in.v, options);
    if (kernel) *kernel = result.kernel;
    return in_dtype(result.o, DType::float32);
  };
}

}  // namespace halftone::eval
