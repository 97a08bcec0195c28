#include "halftone/patterns/buckets.hpp"

#include "halftone/patterns/mask_builder.hpp"

namespace halftone::patterns {

Scores count_collisions(const MaskGeometry& g, const Buckets& buckets) {
  const Scores scores("halftone::patterns::collisions", g.rows(), g.blocks());
  const std::int64_t count = buckets.count, rounds = static_cast<std::int64_t>(buckets.q.extent(2));
  const std::int64_t group = g.heads / static_cast<std::int64_t>(buckets.k.extent(1));
  using TeamPolicy = Kokkos::TeamPolicy<ExecSpace>;
  using Scratch = Kokkos::View<std::int32_t*, ExecSpace::scratch_memory_space, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
  TeamPolicy policy(static_cast<int>(g.rows()), Kokkos::AUTO);
  policy.set_scratch_size(1, Kokkos::PerTeam(static_cast<int>(Scratch::shmem_size(count))));
  Kokkos::parallel_for(
      "halftone::patterns::collisions", policy, KOKKOS_LAMBDA(const TeamPolicy::member_type& team) {
        const RowIndex row(g, team.league_rank());
        const Scratch queries(team.team_scratch(1), count);  // of the tile, in each bucket
        const std::int64_t first = row.tile * g.block_q, len_q = g.len_q(row.batch), len_k = g.len_k(row.batch);
        const std::int64_t end = first + g.block_q < len_q ? first + g.block_q : len_q;
        for (std::int64_t round = 0; round < rounds; ++round) {
          Kokkos::parallel_for(Kokkos::TeamThreadRange(team, count), [&](const std::int64_t bucket) {
            std::int32_t members = 0;
            for (std::int64_t i = first; i < end; ++i) members += buckets.q(row.batch, row.head, round, i) == bucket;
            queries(bucket) = members;
          });
          team.team_barrier();
          Kokkos::parallel_for(Kokkos::TeamThreadRange(team, g.visible_blocks(row.batch, row.tile)),
                               [&](const std::int64_t block) {
                                 const std::int64_t begin_k = block * g.block_k;
                                 const std::int64_t end_k = begin_k + g.block_k < len_k ? begin_k + g.block_k : len_k;
                                 std::int32_t pairs = 0;
                                 for (std::int64_t j = begin_k; j < end_k; ++j)
                                   pairs += queries(buckets.k(row.batch, row.head / group, round, j));
                                 scores(row.row, block) += static_cast<float>(pairs);
                               });
          team.team_barrier();
        }
      });
  return scores;
}

}  // namespace halftone::patterns
