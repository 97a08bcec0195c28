// A dense tensor whose element type is known at run time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "halftone/core/attention_params.hpp"
#include "halftone/core/dtype.hpp"
#include "halftone/core/error.hpp"
#include "halftone/core/kokkos_compat.hpp"

namespace halftone {

/// Contiguous row-major tensor [batch, heads, seq, dim] in one memory space; copies share the data.
template <class Space>
struct BasicTensor {
  using Shape = std::array<std::int64_t, 4>;

  DType dtype = DType::float32;
  Shape shape{};
  Kokkos::View<std::byte*, Space> bytes;

  BasicTensor() = default;
  BasicTensor(const std::string& label, DType type, Shape dims)
      : dtype(type), shape(dims), bytes(uninitialized(label), static_cast<std::size_t>(count(dims)) * size_of(type)) {}

  static std::int64_t count(const Shape& s) { return s[0] * s[1] * s[2] * s[3]; }
  std::int64_t size() const { return count(shape); }
  bool empty() const { return size() == 0; }
  void* data() const { return bytes.data(); }
  TensorStrides strides() const { return {shape[1] * shape[2] * shape[3], shape[2] * shape[3], shape[3]}; }

  /// The elements as T; throws InvalidArgument when T is not the tensor's element type.
  template <class T>
  Kokkos::View<T****, Kokkos::LayoutRight, Space, Kokkos::MemoryTraits<Kokkos::Unmanaged>> view() const {
    using Elements = Kokkos::View<T****, Kokkos::LayoutRight, Space, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
    if (dtype_of<T> != dtype) throw InvalidArgument("tensor dtype", name_of(dtype), name_of(dtype_of<T>));
    return Elements(reinterpret_cast<T*>(bytes.data()), shape[0], shape[1], shape[2], shape[3]);
  }
};

using Tensor = BasicTensor<MemSpace>;
using HostTensor = BasicTensor<HostSpace>;

/// Copies between memory spaces (shares the data where both are the same space).
template <class To, class From>
To copy_to(const From& from) {
  To to;
  to.dtype = from.dtype;
  to.shape = from.shape;
  to.bytes = Kokkos::create_mirror_view_and_copy(typename decltype(to.bytes)::memory_space{}, from.bytes);
  return to;
}
inline Tensor to_device(const HostTensor& t) { return copy_to<Tensor>(t); }
inline HostTensor to_host(const Tensor& t) { return copy_to<HostTensor>(t); }

/// The tensor in another element type (rounded to nearest even); shares the data when it has that type already.
HostTensor convert(const HostTensor& tensor, DType dtype);

/// Throws InvalidArgument naming the first element that is infinite or not a number:
/// "<name> at batch 0, head 1, position 5, dim 3: got nan, expected finite numbers".
void check_finite(const HostTensor& tensor, std::string_view name);

}  // namespace halftone
