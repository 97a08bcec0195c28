#include "halftone/patterns/ranks.hpp"

#include <utility>

#include "halftone/patterns/mask_builder.hpp"
#include "halftone/patterns/ordered_bits.hpp"

namespace halftone::patterns {
namespace {

/// Ascending numbers, all different: the score's complement above the column.
using Keys = Kokkos::View<std::uint64_t**, Kokkos::LayoutRight, MemSpace>;

Keys sort_keys(const Scores& scores) {
  const std::int64_t columns = static_cast<std::int64_t>(scores.extent(1));
  const Keys keys(uninitialized("halftone::patterns::rank_keys"), scores.extent(0), columns);
  Kokkos::parallel_for(
      "halftone::patterns::rank_keys", RowPolicy(0, static_cast<std::int64_t>(scores.size())),
      KOKKOS_LAMBDA(const std::int64_t i) {
        const std::int64_t row = i / columns, column = i % columns;
        keys(row, column) =
            std::uint64_t{~ordered_bits(scores(row, column))} << 32 | static_cast<std::uint64_t>(column);
      });
  return keys;
}

/// Merges neighbouring runs of `width` ascending keys.
void merge_runs(const Keys& from, const Keys& to, std::int64_t width) {
  const std::int64_t columns = static_cast<std::int64_t>(from.extent(1));
  Kokkos::parallel_for(
      "halftone::patterns::rank_merge", RowPolicy(0, static_cast<std::int64_t>(from.size())),
      KOKKOS_LAMBDA(const std::int64_t i) {
        const std::int64_t row = i / columns, column = i % columns, run = column / width;
        const std::uint64_t key = from(row, column);
        // Keys of the other run of the pair that come before this one.
        const std::int64_t begin = (run % 2 ? run - 1 : run + 1) * width;
        std::int64_t low = begin < columns ? begin : columns;
        std::int64_t high = begin + width < columns ? begin + width : columns;
        const std::int64_t first = low;
        while (low < high) {
          const std::int64_t middle = (low + high) / 2;
          if (from(row, middle) < key)
            low = middle + 1;
          else
            high = middle;
        }
        to(row, run / 2 * 2 * width + column % width + (low - first)) = key;
      });
}

}  // namespace

Ranks rank_rows(const Scores& scores) {
  const std::int64_t columns = static_cast<std::int64_t>(scores.extent(1));
  Keys keys = sort_keys(scores), other(uninitialized("halftone::patterns::rank_other"), scores.extent(0), columns);
  for (std::int64_t width = 1; width < columns; width *= 2) {
    merge_runs(keys, other, width);
    std::swap(keys, other);
  }
  const Ranks ranks(uninitialized("halftone::patterns::ranks"), scores.extent(0), columns);
  const Keys sorted = keys;
  Kokkos::parallel_for(
      "halftone::patterns::ranks", RowPolicy(0, static_cast<std::int64_t>(scores.size())),
      KOKKOS_LAMBDA(const std::int64_t i) {
        const std::int64_t row = i / columns, rank = i % columns;
        ranks(row, static_cast<std::int64_t>(sorted(row, rank) & 0xffffffffu)) = static_cast<std::int32_t>(rank);
      });
  return ranks;
}

}  // namespace halftone::patterns
