// Tolerances of parts of a call: a layer, a head, a row.
#include <algorithm>
#include <limits>

#include "halftone/patterns/halftone/selection.hpp"
#include "halftone/patterns/mask_builder.hpp"

namespace halftone::patterns::detail {
namespace {

/// Visible and forced blocks.
struct Counts {
  std::int64_t visible = 0, forced = 0;

  Counts& operator+=(const Counts& other) {
    visible += other.visible;
    forced += other.forced;
    return *this;
  }
  std::int64_t kept(double share) const { return std::max(forced, blocks_of_budget(share, double(visible))); }
};

/// Consecutive rows of a layer's priorities.
struct Rows {
  std::size_t layer;
  std::int64_t begin, end;
};

/// What shares a tolerance.
struct Part {
  std::vector<Rows> rows;
  Counts counts;
};

// [batch, tiles], the same for every head.
std::vector<Counts> counts_per_tile(const NearField& near) {
  const std::int64_t tiles = near.geometry.tiles(), items = near.geometry.batch * tiles;
  const Array<std::int64_t> visible(uninitialized("halftone::halftone::visible"), items);
  const Array<std::int64_t> forced(uninitialized("halftone::halftone::forced"), items);
  Kokkos::parallel_for(
      "halftone::halftone::counts_per_tile", RowPolicy(0, items), KOKKOS_LAMBDA(const std::int64_t i) {
        const TileBlocks blocks = near.blocks(i / tiles, i % tiles);
        visible(i) = blocks.visible;
        forced(i) = blocks.count_forced();
      });
  const auto host_visible = Kokkos::create_mirror_view_and_copy(HostSpace{}, visible);
  const auto host_forced = Kokkos::create_mirror_view_and_copy(HostSpace{}, forced);
  std::vector<Counts> counts;
  for (std::int64_t i = 0; i < items; ++i) counts.push_back({host_visible(i), host_forced(i)});
  return counts;
}

std::vector<Part> parts_of(const NearField& near, std::size_t layers, ToleranceScope scope) {
  const MaskGeometry& g = near.geometry;
  const std::vector<Counts> counts = counts_per_tile(near);
  Counts head_counts, layer_counts;
  for (const Counts& tile : counts) head_counts += tile;
  for (std::int64_t head = 0; head < g.heads; ++head) layer_counts += head_counts;

  std::vector<Part> parts;
  for (std::size_t layer = 0; layer < layers; ++layer) {
    if (scope == ToleranceScope::call || scope == ToleranceScope::layer) {
      if (scope == ToleranceScope::layer || layer == 0) parts.emplace_back();
      parts.back().rows.push_back({layer, 0, g.rows()});
      parts.back().counts += layer_counts;
      continue;
    }
    for (std::int64_t head = 0; head < g.heads; ++head) {
      if (scope == ToleranceScope::head) parts.push_back({{}, head_counts});
      for (std::int64_t b = 0; b < g.batch; ++b) {
        const std::int64_t first = (b * g.heads + head) * g.tiles();
        if (scope == ToleranceScope::head)
          parts.back().rows.push_back({layer, first, first + g.tiles()});
        else
          for (std::int64_t tile = 0; tile < g.tiles(); ++tile)
            parts.push_back({{{layer, first + tile, first + tile + 1}}, counts[b * g.tiles() + tile]});
      }
    }
  }
  return parts;
}

/// The largest share at which all parts together keep no more blocks than the density allows. It may exceed the
/// density, since every part rounds down.
double share_of(const std::vector<Part>& parts, double density) {
  Counts all;
  for (const Part& part : parts) all += part.counts;
  const std::int64_t allowed = blocks_of_budget(density, double(all.visible));
  const auto fits = [&](double share) {
    std::int64_t kept = 0;
    for (const Part& part : parts) kept += part.counts.kept(share);
    return kept <= allowed;
  };
  if (fits(1.0)) return 1.0;
  double low = 0.0, high = 1.0;  // at 0 only forced blocks are kept, which check_reachable allows
  for (int i = 0; i < 50; ++i) (fits((low + high) / 2) ? low : high) = (low + high) / 2;
  return low;
}

}  // namespace

Tolerances solve_tolerances(std::span<const Array<float>> priorities, const NearField& near, double density,
                            ToleranceScope scope) {
  const std::vector<Part> parts = parts_of(near, priorities.size(), scope);
  const double share = share_of(parts, density);
  const std::int64_t blocks = near.geometry.blocks();
  std::vector<HostArray<float>> host;
  for (std::size_t l = 0; l < priorities.size(); ++l)
    host.emplace_back(uninitialized("halftone::halftone::tolerance"), near.geometry.rows());
  float tolerance = 0.0f;
  for (const Part& part : parts) {
    std::vector<Array<float>> competing;
    for (const Rows& rows : part.rows)
      competing.push_back(
          Kokkos::subview(priorities[rows.layer], Kokkos::make_pair(rows.begin * blocks, rows.end * blocks)));
    tolerance = find_tolerance(competing, part.counts.kept(share) - part.counts.forced);
    for (const Rows& rows : part.rows)
      for (std::int64_t row = rows.begin; row < rows.end; ++row) host[rows.layer](row) = tolerance;
  }
  Tolerances result;
  for (const HostArray<float>& layer : host)
    result.per_row.push_back(Kokkos::create_mirror_view_and_copy(MemSpace{}, layer));
  result.common = parts.size() == 1 ? tolerance : std::numeric_limits<double>::quiet_NaN();
  return result;
}

}  // namespace halftone::patterns::detail
