#include "halftone/patterns/halftone/selection.hpp"

#include <limits>

#include "halftone/core/fast_math.hpp"

namespace halftone::patterns::detail {
namespace {

using Range = Kokkos::RangePolicy<ExecSpace, Kokkos::IndexType<std::int64_t>>;
using Count = unsigned long long;  // a type that every backend has atomic adds for

constexpr int kDigitBits = 11;
constexpr int kDigits = 1 << kDigitBits;
constexpr float kInfinity = std::numeric_limits<float>::infinity();


}  // namespace

std::int64_t count_forced_blocks(const NearField& near) {
  const std::int64_t tiles = near.geometry.tiles(), blocks = near.geometry.blocks();
  std::int64_t forced = 0;
  Kokkos::parallel_reduce(
      "halftone::halftone::count_forced", Range(0, near.geometry.batch * tiles * blocks),
      KOKKOS_LAMBDA(const std::int64_t i, std::int64_t& sum) {
        sum += near.forced(i / blocks / tiles, i / blocks % tiles, i % blocks) ? 1 : 0;
      },
      forced);
  return forced * near.geometry.heads;
}

std::int64_t prioritise(const Array<float>& scores, const Array<float>& head_weight, const NearField& near) {
  const std::int64_t heads = near.geometry.heads, tiles = near.geometry.tiles(), blocks = near.geometry.blocks();
  std::int64_t not_finite = 0;
  Kokkos::parallel_reduce(
      "halftone::halftone::prioritise", Range(0, near.geometry.batch * heads * tiles * blocks),
      KOKKOS_LAMBDA(const std::int64_t i, std::int64_t& sum) {
        const std::int64_t block = i % blocks, tile = i / blocks % tiles, head = i / blocks / tiles % heads;
        const std::int64_t b = i / blocks / tiles / heads;
        const float score = scores(i);
        if (!(score < kInfinity)) sum += 1;
        if (block >= near.geometry.visible_blocks(b, tile))
          scores(i) = -kInfinity;
        else
          scores(i) = near.forced(b, tile, block) ? kInfinity : score * head_weight(head);
      },
      not_finite);
  return not_finite;
}

// Counts the finite priorities by their digit at `shift`, among those whose higher bits equal `prefix`.
void add_histogram(const Array<float>& priorities, int shift, std::uint32_t prefix, const Array<Count>& histogram) {
  Kokkos::parallel_for(
      "halftone::halftone::histogram", Range(0, static_cast<std::int64_t>(priorities.extent(0))),
      KOKKOS_LAMBDA(const std::int64_t i) {
        const float priority = priorities(i);
        if (!(priority >= 0.0f && priority < kInfinity)) return;
        const std::uint32_t key = halftone::detail::bits_of(priority) >> shift;
        if (key >> kDigitBits == prefix) Kokkos::atomic_add(&histogram(key % kDigits), Count{1});
      });
}

float find_tolerance(std::span<const Array<float>> priorities, std::int64_t count) {
  // The value sought is the (count + 1)-th largest: digit by digit from the top, the bin in which that rank falls.
  const Array<Count> histogram("halftone::halftone::histogram", kDigits);
  Count rank = static_cast<Count>(count);
  std::uint32_t prefix = 0;
  for (int shift = 2 * kDigitBits; shift >= 0; shift -= kDigitBits) {
    Kokkos::deep_copy(histogram, Count{0});
    for (const Array<float>& layer : priorities) add_histogram(layer, shift, prefix, histogram);
    const auto host = Kokkos::create_mirror_view_and_copy(HostSpace{}, histogram);
    int digit = kDigits - 1;
    while (digit >= 0 && rank >= host(digit)) rank -= host(digit--);
    if (digit < 0) return -1.0f;  // there are no more than `count`
    prefix = prefix << kDigitBits | static_cast<std::uint32_t>(digit);
  }
  return halftone::detail::float_of(prefix);
}

BlockMask select_blocks(const Array<float>& priorities, float tolerance, const MaskGeometry& geometry,
                        std::int64_t visible) {
  const std::int64_t rows = geometry.rows(), blocks = geometry.blocks(), tiles = geometry.tiles();
  std::int64_t kept = 0;
  Kokkos::parallel_reduce(
      "halftone::halftone::count_kept", Range(0, rows * blocks),
      KOKKOS_LAMBDA(const std::int64_t i, std::int64_t& sum) { sum += priorities(i) > tolerance ? 1 : 0; }, kept);

  BlockMask mask;
  mask.row_ptr = Array<std::int64_t>(uninitialized("halftone::halftone::row_ptr"), rows + 1);
  mask.col_idx = Array<std::int32_t>(uninitialized("halftone::halftone::col_idx"), kept);
  mask.kind = Array<std::uint8_t>(uninitialized("halftone::halftone::kind"), kept);
  mask.batch = geometry.batch;
  mask.heads = geometry.heads;
  mask.tiles = geometry.tiles();
  mask.blocks = geometry.blocks();
  mask.block_q = geometry.block_q;
  mask.block_k = geometry.block_k;
  mask.visible = visible;

  const auto row_ptr = mask.row_ptr;
  const auto col_idx = mask.col_idx;
  const auto kind = mask.kind;
  const MaskGeometry g = geometry;
  Kokkos::parallel_scan(
      "halftone::halftone::select", Range(0, rows * blocks),
      KOKKOS_LAMBDA(const std::int64_t i, std::int64_t& position, const bool last_pass) {
        const std::int64_t row = i / blocks, block = i % blocks;
        const bool keep = priorities(i) > tolerance;
        if (last_pass) {
          if (block == 0) row_ptr(row) = position;
          if (keep) {
            col_idx(position) = static_cast<std::int32_t>(block);
            kind(position) = g.edge_kind(row / tiles / g.heads, row % tiles, block);
          }
          if (i == rows * blocks - 1) row_ptr(rows) = position + (keep ? 1 : 0);
        }
        position += keep ? 1 : 0;
      });
  return mask;
}

}  // namespace halftone::patterns::detail
