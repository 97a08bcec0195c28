// Element types of tensors: float32, float16 and bfloat16 storage, all with float32 arithmetic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "halftone/core/portability.hpp"

namespace halftone {

enum class DType : std::uint8_t { float32, float16, bfloat16 };

namespace detail {

HALFTONE_FUNCTION inline std::uint32_t bits_of(float x) {
  std::uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
HALFTONE_FUNCTION inline float float_of(std::uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

// Conversions round to nearest even, on every path alike but for the payload of NaN. Devices have instructions for
// them.

// IEEE binary16 -> binary32, branch-free: scaling by 2^112 re-biases normal and subnormal numbers alike.
HALFTONE_FUNCTION inline float half_bits_to_float(std::uint16_t h) {
#if defined(__CUDA_ARCH__)
  float x;
  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(h));
  return x;
#else
  const std::uint32_t magnitude = static_cast<std::uint32_t>(h & 0x7fffu) << 13;
  const std::uint32_t sign = static_cast<std::uint32_t>(h & 0x8000u) << 16;
  const float scaled = float_of(magnitude) * 0x1.0p112f;
  const std::uint32_t inf_nan = magnitude >= 0x0f800000u ? 0x7f800000u : 0u;
  return float_of(sign | inf_nan | bits_of(scaled));
#endif
}

// binary32 -> IEEE binary16; overflow gives infinity, NaN stays NaN.
HALFTONE_FUNCTION inline std::uint16_t float_to_half_bits(float x) {
#if defined(__CUDA_ARCH__)
  std::uint16_t h;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(x));
  return h;
#else
  const std::uint32_t bits = bits_of(x);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);
  if (magnitude >= 0x47800000u) return static_cast<std::uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {  // subnormal result: let the float adder do the rounding
    const float shifted = float_of(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign | (bits_of(shifted) - 0x3f000000u));
  }
  magnitude += 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000u) >> 13));
#endif
}

HALFTONE_FUNCTION inline std::uint16_t float_to_bfloat16_bits(float x) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  std::uint16_t b;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(b) : "f"(x));
  return b;
#else
  const std::uint32_t bits = bits_of(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
#endif
}

}  // namespace detail

/// IEEE binary16 storage; converts to and from float (round to nearest even).
struct float16 {
  std::uint16_t bits;
  float16() = default;
  HALFTONE_FUNCTION explicit float16(float x) : bits(detail::float_to_half_bits(x)) {}
  HALFTONE_FUNCTION operator float() const { return detail::half_bits_to_float(bits); }
};

/// bfloat16 storage (upper half of binary32); converts to and from float (round to nearest even).
struct bfloat16 {
  std::uint16_t bits;
  bfloat16() = default;
  HALFTONE_FUNCTION explicit bfloat16(float x) : bits(detail::float_to_bfloat16_bits(x)) {}
  HALFTONE_FUNCTION operator float() const { return detail::float_of(static_cast<std::uint32_t>(bits) << 16); }
};

static_assert(sizeof(float16) == 2 && sizeof(bfloat16) == 2);
static_assert(std::is_trivially_copyable_v<float16> && std::is_trivially_copyable_v<bfloat16>);

template <class T>
inline constexpr DType dtype_of = [] {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>);
  if constexpr (std::is_same_v<T, float>) return DType::float32;
  else if constexpr (std::is_same_v<T, float16>) return DType::float16;
  else return DType::bfloat16;
}();

HALFTONE_FUNCTION constexpr std::size_t size_of(DType dtype) { return dtype == DType::float32 ? 4 : 2; }

/// "float32", "float16" or "bfloat16".
std::string_view name_of(DType dtype);
/// Inverse of name_of; throws InvalidArgument naming the accepted names.
DType dtype_from_name(std::string_view name);

/// Calls f(T{}) with the element type of `dtype`.
template <class F>
decltype(auto) dispatch_dtype(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float16: return f(float16{});
    case DType::bfloat16: return f(bfloat16{});
    default: return f(float{});
  }
}

}  // namespace halftone
