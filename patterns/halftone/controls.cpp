#include "halftone/patterns/halftone/controls.hpp"

#include "halftone/patterns/mask_builder.hpp"
#include "halftone/patterns/random_order.hpp"

namespace halftone::patterns::detail {

void permute_scores(const Array<float>& scores, const NearField& near, Philox random) {
  const Array<float> before(uninitialized("halftone::halftone::scores_before"), scores.extent(0));
  Kokkos::deep_copy(before, scores);
  const std::int64_t blocks = near.geometry.blocks();
  Kokkos::parallel_for(
      "halftone::halftone::permute_scores", RowPolicy(0, near.geometry.rows()), KOKKOS_LAMBDA(const std::int64_t r) {
        const RowIndex row(near.geometry, r);
        const TileBlocks tile = near.blocks(row.batch, row.tile);
        const std::int64_t count = tile.visible - tile.count_forced();
        // The i-th of the blocks that compete: they lie on both sides of the tile's own and its neighbours.
        const std::int64_t gap = tile.near_begin > tile.sink_end ? tile.near_begin : tile.sink_end;
        const auto block_of = [&](std::int64_t i) {
          const std::int64_t block = tile.sink_end + i;
          return r * blocks + (block < gap ? block : block + tile.count_forced() - tile.sink_end);
        };
        if (count == 0) return;
        const RandomOrder order(random.seed, random.stream, r, static_cast<std::uint32_t>(count));
        for (std::int64_t i = 0; i < count; ++i)
          scores(block_of(order.position(static_cast<std::uint32_t>(i)))) = before(block_of(i));
      });
}

void randomise_scores(const Array<float>& scores, Philox random) {
  Kokkos::parallel_for(
      "halftone::halftone::random_scores", RowPolicy(0, static_cast<std::int64_t>(scores.extent(0))),
      KOKKOS_LAMBDA(const std::int64_t i) { scores(i) = random.uniform(i); });
}

}  // namespace halftone::patterns::detail
