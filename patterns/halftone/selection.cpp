#include "halftone/patterns/halftone/selection.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "halftone/core/dtype.hpp"
#include "halftone/patterns/mask_builder.hpp"

namespace halftone::patterns::detail {
namespace {

constexpr int kDigitBits = 11;
constexpr int kDigits = 1 << kDigitBits;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// What build_mask asks.
struct AboveTolerance {
  Array<float> priorities, tolerance;
  std::int64_t blocks;

  HALFTONE_FUNCTION Cover cover(const RowIndex& row, std::int64_t block) const {
    return priorities(row.row * blocks + block) > tolerance(row.row) ? Cover::all : Cover::none;
  }
  HALFTONE_FUNCTION bool allowed(const RowIndex&, std::int64_t, std::int64_t) const { return true; }
};

// `score` and `weight` of the first of `group` heads; the next one's score lies `stride` behind.
HALFTONE_FUNCTION inline float list_priority(const float* score, std::int64_t stride, const float* weight, int group) {
  return aggregate(Aggregation::rms, group, [&](const int h) { return score[h * stride] * weight[h]; });
}

}  // namespace

MaskGeometry list_geometry(const MaskGeometry& geometry, const HalftoneOptions& options, std::int64_t heads_kv) {
  MaskGeometry lists = geometry;
  if (options.shared_lists) lists.heads = static_cast<std::int32_t>(heads_kv);
  return lists;
}

std::int64_t blocks_of_budget(double density, double total) {
  return static_cast<std::int64_t>(std::floor(density * total * (1.0 + 1e-12)));
}

std::int64_t count_forced_blocks(const NearField& near) {
  const std::int64_t tiles = near.geometry.tiles(), blocks = near.geometry.blocks();
  std::int64_t forced = 0;
  Kokkos::parallel_reduce(
      "halftone::halftone::count_forced", RowPolicy(0, near.geometry.batch * tiles * blocks),
      KOKKOS_LAMBDA(const std::int64_t i, std::int64_t& sum) {
        sum += near.forced(i / blocks / tiles, i / blocks % tiles, i % blocks);
      },
      forced);
  return forced * near.geometry.heads;
}

Priorities prioritise(const Array<float>& scores, const Array<float>& head_weight, const NearField& near) {
  const MaskGeometry& g = near.geometry;
  const std::int64_t blocks = g.blocks(), list_size = g.tiles() * blocks, entries = g.rows() * blocks;
  const int group = static_cast<int>(head_weight.extent(0)) / g.heads;
  const Array<float> priorities =
      group == 1 ? scores : Array<float>(uninitialized("halftone::halftone::priorities"), entries);
  std::int64_t not_finite = 0;
  Kokkos::parallel_reduce(
      "halftone::halftone::prioritise", RowPolicy(0, entries),
      KOKKOS_LAMBDA(const std::int64_t i, std::int64_t& sum) {
        const RowIndex row(near.geometry, i / blocks);
        const std::int64_t block = i % blocks;
        const float* score = &scores(i / list_size * group * list_size + i % list_size);  // of the list's first head
        for (int h = 0; h < group; ++h) sum += !(score[h * list_size] < kInfinity);
        if (block >= near.geometry.visible_blocks(row.batch, row.tile))
          priorities(i) = -kInfinity;
        else
          priorities(i) = near.forced(row.batch, row.tile, block)
                              ? kInfinity
                              : list_priority(score, list_size, &head_weight(row.head * group), group);
      },
      not_finite);
  return {priorities, not_finite};
}

// Adds to `counts` how many finite priorities have each value of the digit at `shift`, among those whose higher bits
// equal `prefix`.
void add_histogram(const Array<float>& priorities, int shift, std::uint32_t prefix, std::vector<std::int64_t>& counts) {
  // 32 bits for one layer: of the 64-bit integers, Kokkos 4 adds some in loops of compare-and-swap on CUDA.
  const Array<std::uint32_t> histogram("halftone::halftone::histogram", kDigits);
  Kokkos::parallel_for(
      "halftone::halftone::histogram", RowPolicy(0, static_cast<std::int64_t>(priorities.extent(0))),
      KOKKOS_LAMBDA(const std::int64_t i) {
        const float priority = priorities(i);
        if (!(priority >= 0.0f && priority < kInfinity)) return;
        const std::uint32_t key = halftone::detail::bits_of(priority) >> shift;
        if (key >> kDigitBits == prefix) Kokkos::atomic_add(&histogram(key % kDigits), std::uint32_t{1});
      });
  const auto host = Kokkos::create_mirror_view_and_copy(HostSpace{}, histogram);
  for (int digit = 0; digit < kDigits; ++digit) counts[digit] += host(digit);
}

float find_tolerance(std::span<const Array<float>> priorities, std::int64_t count) {
  // The value sought is the (count + 1)-th largest: digit by digit from the top, the bin in which that rank falls.
  std::uint32_t prefix = 0;
  for (int shift = 2 * kDigitBits; shift >= 0; shift -= kDigitBits) {
    std::vector<std::int64_t> counts(kDigits, 0);
    for (const Array<float>& layer : priorities) add_histogram(layer, shift, prefix, counts);
    int digit = kDigits - 1;
    while (digit >= 0 && count >= counts[digit]) count -= counts[digit--];
    if (digit < 0) return -1.0f;  // there are no more than `count`
    prefix = prefix << kDigitBits | static_cast<std::uint32_t>(digit);
  }
  return halftone::detail::float_of(prefix);
}

Tolerances one_tolerance(float tolerance, const MaskGeometry& geometry, std::size_t layers) {
  const Array<float> rows(uninitialized("halftone::halftone::tolerance"), geometry.rows());
  Kokkos::deep_copy(rows, tolerance);
  return {std::vector<Array<float>>(layers, rows), tolerance};
}

BlockMask select_blocks(const Array<float>& priorities, const Array<float>& tolerance, const MaskGeometry& geometry) {
  return build_mask(geometry, AboveTolerance{priorities, tolerance, geometry.blocks()});
}

}  // namespace halftone::patterns::detail
