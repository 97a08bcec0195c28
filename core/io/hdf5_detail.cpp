#include "halftone/core/io/hdf5_detail.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace halftone::io {

void silence_hdf5() { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

std::string hdf5_reason() {
  std::string reason;
  const auto take_first = [](unsigned, const H5E_error2_t* error, void* into) -> herr_t {
    auto& text = *static_cast<std::string*>(into);
    if (text.empty() && error->desc) text = error->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_first, &reason);
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  return reason.empty() ? "HDF5 gives no reason" : reason;
}

Handle native_type(NumberType type) {
  const auto copy = [](hid_t id) { return Handle(H5Tcopy(id), H5Tclose); };
  switch (type) {
    case NumberType::float16: {
      Handle half = copy(H5T_NATIVE_FLOAT);
      H5Tset_fields(half.id(), 15, 10, 5, 0, 10);
      H5Tset_size(half.id(), 2);
      H5Tset_ebias(half.id(), 15);
      return half;
    }
    case NumberType::float32: return copy(H5T_NATIVE_FLOAT);
    case NumberType::float64: return copy(H5T_NATIVE_DOUBLE);
    case NumberType::int32: return copy(H5T_NATIVE_INT32);
    case NumberType::int64: return copy(H5T_NATIVE_INT64);
    case NumberType::uint8: return copy(H5T_NATIVE_UINT8);
    case NumberType::bfloat16:
    case NumberType::uint16: return copy(H5T_NATIVE_UINT16);
    case NumberType::uint32: return copy(H5T_NATIVE_UINT32);
    default: return copy(H5T_NATIVE_UINT64);
  }
}

Handle string_type() {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.id(), H5T_VARIABLE);
  H5Tset_cset(type.id(), H5T_CSET_UTF8);
  return type;
}

std::optional<NumberType> number_type(hid_t type) {
  const std::size_t size = H5Tget_size(type);
  if (H5Tget_class(type) == H5T_FLOAT) {
    std::size_t sign, exponent, exponent_size, mantissa, mantissa_size;
    H5Tget_fields(type, &sign, &exponent, &exponent_size, &mantissa, &mantissa_size);
    if (size == 2 && exponent_size == 5 && mantissa_size == 10) return NumberType::float16;
    if (size == 4 && exponent_size == 8 && mantissa_size == 23) return NumberType::float32;
    if (size == 8 && exponent_size == 11 && mantissa_size == 52) return NumberType::float64;
  }
  if (H5Tget_class(type) == H5T_INTEGER) {
    const bool is_signed = H5Tget_sign(type) == H5T_SGN_2;
    if (is_signed && size == 4) return NumberType::int32;
    if (is_signed && size == 8) return NumberType::int64;
    if (!is_signed && size == 1) return NumberType::uint8;
    if (!is_signed && size == 2) return NumberType::uint16;
    if (!is_signed && size == 4) return NumberType::uint32;
    if (!is_signed && size == 8) return NumberType::uint64;
  }
  return std::nullopt;
}

std::string describe_type(hid_t type) {
  if (const auto number = number_type(type)) return std::string(name_of(*number));
  const std::size_t size = H5Tget_size(type);
  switch (H5Tget_class(type)) {
    case H5T_INTEGER: return fmt::format("int{}", 8 * size);
    case H5T_FLOAT: return fmt::format("floating point of {} bytes", size);
    case H5T_STRING: return "string";
    case H5T_ENUM: return "enumeration";
    case H5T_REFERENCE: return "reference";
    case H5T_VLEN: return "variable-length list";
    case H5T_COMPOUND: return fmt::format("compound of {} bytes", size);
    default: return fmt::format("opaque of {} bytes", size);
  }
}

Shape shape_of(hid_t space) {
  std::vector<hsize_t> lengths(static_cast<std::size_t>(std::max(H5Sget_simple_extent_ndims(space), 0)));
  H5Sget_simple_extent_dims(space, lengths.data(), nullptr);
  return {lengths.begin(), lengths.end()};
}

std::optional<std::vector<std::string>> read_strings(hid_t id, hid_t file_type, std::size_t count, ReadStrings read) {
  std::vector<std::string> strings(count);
  if (count == 0) return strings;
  if (H5Tis_variable_str(file_type) > 0) {
    const Handle memory = string_type();
    H5Tset_cset(memory.id(), H5Tget_cset(file_type));
    std::vector<char*> pointers(count, nullptr);
    if (read(id, memory.id(), pointers.data()) < 0) return std::nullopt;
    for (std::size_t i = 0; i < count; ++i)
      if (pointers[i]) {
        strings[i] = pointers[i];
        H5free_memory(pointers[i]);
      }
  } else {
    const std::size_t size = H5Tget_size(file_type);
    std::vector<char> bytes(count * size);
    if (read(id, file_type, bytes.data()) < 0) return std::nullopt;
    for (std::size_t i = 0; i < count; ++i) {
      const char* begin = bytes.data() + i * size;
      strings[i].assign(begin, strnlen(begin, size));
      if (H5Tget_strpad(file_type) == H5T_STR_SPACEPAD) strings[i].erase(strings[i].find_last_not_of(' ') + 1);
    }
  }
  return strings;
}

}  // namespace halftone::io
