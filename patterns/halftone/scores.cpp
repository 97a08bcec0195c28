#include "halftone/patterns/halftone/scores.hpp"

#include "halftone/core/fast_math.hpp"
#include "halftone/patterns/halftone/formula.hpp"
#include "halftone/patterns/halftone/rows.hpp"
#include "halftone/patterns/mask_builder.hpp"

namespace halftone::patterns::detail {
namespace {

constexpr int kThreads = is_host_space<ExecSpace> ? 1 : 128;
constexpr std::size_t kFastScratch = 32 * 1024;

// The register tile of the score product: representatives x blocks. A CPU thread takes a whole panel of blocks in its
// vector registers (16 accumulators with AVX-512), a GPU thread one block of it.
constexpr int kRows = 8;
constexpr int kLanes = is_host_space<ExecSpace> ? kPanel : 1;
constexpr std::int64_t kGroups = kPanel / kLanes;

using Team = Kokkos::TeamPolicy<ExecSpace>::member_type;
using Scratch = Kokkos::View<float*, ExecSpace::scratch_memory_space, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;

// sum[r][l] = sum over dimensions j of rows[j, r] * panel[j, l].
HALFTONE_FUNCTION inline void multiply_panel(const float* rows, std::int64_t row_stride, const float* panel,
                                             std::int64_t dim, float (&sum)[kRows][kLanes]) {
  float acc[kRows][kLanes] = {};  // a local the compiler keeps in registers
  for (std::int64_t j = 0; j < dim; ++j)
    for (int r = 0; r < kRows; ++r)
      for (int l = 0; l < kLanes; ++l)
        acc[r][l] = multiply_add(rows[j * row_stride + r], panel[j * kPanel + l], acc[r][l]);
  for (int r = 0; r < kRows; ++r)
    for (int l = 0; l < kLanes; ++l) sum[r][l] = acc[r][l];
}

}  // namespace

/// One team per (sequence, head, query tile): representatives, log-mass of every visible block for each of them,
/// softmax over the blocks, aggregation over the representatives.
template <class T>
struct ScoreTiles {
  const T* q;
  RowLayout layout;
  KeyStatistics statistics;
  MaskGeometry geometry;
  float scale;
  int representatives;
  std::int64_t padded;  // representatives rounded up to kRows
  Aggregation aggregation;
  BlockMass block_mass;
  Array<float> scores, log_mass;
  int query_level;  // of scratch memory

  HALFTONE_FUNCTION std::int64_t mass_stride() const { return std::int64_t{statistics.panels} * kPanel; }

  HALFTONE_FUNCTION void operator()(const Team& team) const {
    const RowIndex index(geometry, geometry.rows() - 1 - team.league_rank());  // a head's longest rows first
    const std::int64_t b = index.batch, head = index.head, tile = index.tile, blocks = geometry.blocks();
    const std::int64_t visible = geometry.visible_blocks(b, tile);
    float* row = scores.data() + index.row * blocks;
    Kokkos::parallel_for(Kokkos::TeamThreadRange(team, visible, blocks), [&](const std::int64_t c) { row[c] = 0.0f; });
    if (visible == 0) return;

    // Runs of consecutive queries; in the last tile only those that hold a query.
    const std::int64_t run = geometry.block_q / representatives, left = geometry.len_q(b) - tile * geometry.block_q;
    const int runs = static_cast<int>(left < geometry.block_q ? (left + run - 1) / run : representatives);
    const Scratch queries(team.team_scratch(query_level), (layout.dim + kVarianceGroups) * padded);
    const Scratch mass(team.team_scratch(1), padded * mass_stride());
    const Scratch inverse_sum(team.team_scratch(1), padded);

    load_queries(team, q + layout.offset(b, head) + tile * geometry.block_q * layout.dim, left, run, queries);
    team.team_barrier();
    const std::int64_t head_kv = head / (geometry.heads / statistics.heads_kv);
    if (block_mass == BlockMass::largest)
      estimate_log_mass<false>(team, b, head_kv, runs, visible, queries, mass);
    else
      estimate_log_mass<true>(team, b, head_kv, runs, visible, queries, mass);
    team.team_barrier();
    if (log_mass.extent(0) > 0) {
      float* out = log_mass.data() + index.row * representatives * blocks;
      Kokkos::parallel_for(Kokkos::TeamThreadRange(team, runs * visible), [&](const std::int64_t i) {
        out[i / visible * blocks + i % visible] = mass(i / visible * mass_stride() + i % visible);
      });
      team.team_barrier();
    }
    for (int r = 0; r < runs; ++r) exponentiate(team, visible, mass.data() + r * mass_stride(), &inverse_sum(r));
    team.team_barrier();
    Kokkos::parallel_for(Kokkos::TeamThreadRange(team, visible), [&](const std::int64_t c) {
      row[c] = aggregate(aggregation, runs, [&](const int r) { return mass(r * mass_stride() + c) * inverse_sum(r); });
    });
  }

 private:
  // queries: [dim + groups, padded], scale * u of each run's representative u and scale^2 / 2 * its squares summed up
  // over the variance groups; zero for runs without queries.
  HALFTONE_FUNCTION void load_queries(const Team& team, const T* rows, std::int64_t left, std::int64_t run,
                                      const Scratch& queries) const {
    const VarianceGroups groups(static_cast<int>(layout.dim));
    const std::int64_t count = layout.dim + kVarianceGroups;
    Kokkos::parallel_for(Kokkos::TeamThreadRange(team, padded * count), [&](const std::int64_t i) {
      const std::int64_t r = i / count, column = i % count;
      if (r >= representatives || r * run >= left) {
        queries(column * padded + r) = 0.0f;
        return;
      }
      const T* u = rows + representative_query(r * run, run, left) * layout.dim;
      if (column < layout.dim) {
        queries(column * padded + r) = scale * round_statistic(static_cast<float>(u[column]));
        return;
      }
      const int group = static_cast<int>(column - layout.dim);
      float sum = 0.0f;
      for (int j = 0; j < groups.size(group); ++j) {
        const float x = round_statistic(static_cast<float>(u[groups.at(group, j)]));
        sum += x * x;
      }
      queries(column * padded + r) = 0.5f * scale * scale * round_statistic(sum);
    });
  }

  // mass: [padded, panels * kPanel], the log-mass L(q, c) of every block of the visible panels.
  template <bool kSum>
  HALFTONE_FUNCTION void estimate_log_mass(const Team& team, std::int64_t b, std::int64_t head_kv, int runs,
                                           std::int64_t visible, const Scratch& queries, const Scratch& mass) const {
    const std::int64_t panels = (visible + kPanel - 1) / kPanel, row_groups = (runs + kRows - 1) / kRows;
    const std::int64_t dim = layout.dim;
    Kokkos::parallel_for(Kokkos::TeamThreadRange(team, panels * row_groups * kGroups), [&](const std::int64_t i) {
      const std::int64_t lane = i % kGroups * kLanes, r0 = i / kGroups % row_groups * kRows;
      const std::int64_t panel = i / kGroups / row_groups;
      float peak[kRows][kLanes], sum[kRows][kLanes];  // with kSum the logsumexp, online: sum * e^peak
      for (std::int64_t m = 0; m < statistics.micro; ++m) {
        const float* moments = statistics.moments.data() + statistics.moments_at(b, head_kv, panel, m) + lane;
        const float* log_count = statistics.log_count.data() + statistics.log_count_at(b, panel, m) + lane;
        float logit[kRows][kLanes], half_variance[kRows][kLanes];
        multiply_panel(queries.data() + r0, padded, moments, dim, logit);
        multiply_panel(queries.data() + dim * padded + r0, padded, moments + dim * kPanel, kVarianceGroups,
                       half_variance);
        for (int r = 0; r < kRows; ++r)
          for (int l = 0; l < kLanes; ++l) {
            const float cap = log_count[l] > 0.0f ? log_count[l] : 0.0f;
            const float x = log_count[l] + logit[r][l] + kappa(half_variance[r][l], cap);
            const float old = m == 0 ? kNoKeys : peak[r][l];
            const float top = x > old || x != x ? x : old;  // NaN comes through
            if constexpr (kSum) {
              const float carried = m == 0 ? 0.0f : sum[r][l] * fast_exp(old - top);
              sum[r][l] = carried + fast_exp(x - top);
            }
            peak[r][l] = top;
          }
      }
      for (int r = 0; r < kRows; ++r)
        for (int l = 0; l < kLanes; ++l) {
          float& to = mass((r0 + r) * mass_stride() + panel * kPanel + lane + l);
          to = kSum ? peak[r][l] + std::log(sum[r][l]) : peak[r][l];
        }
    });
  }

  // The softmax over the visible blocks, up to the factor 1 / sum.
  HALFTONE_FUNCTION void exponentiate(const Team& team, std::int64_t visible, float* mass, float* inverse_sum) const {
    float peak;
    Kokkos::parallel_reduce(
        Kokkos::TeamThreadRange(team, visible),
        [&](const std::int64_t c, float& top) { top = mass[c] > top ? mass[c] : top; }, Kokkos::Max<float>(peak));
    float sum = 0.0f;
    Kokkos::parallel_reduce(
        Kokkos::TeamThreadRange(team, visible),
        [&](const std::int64_t c, float& part) {
          mass[c] = fast_exp(mass[c] - peak);
          part += mass[c];
        },
        sum);
    Kokkos::single(Kokkos::PerTeam(team), [&] { *inverse_sum = 1.0f / sum; });
  }
};

template <class T>
void run_score_tiles(ScoreTiles<T> kernel) {
  const int teams = static_cast<int>(kernel.geometry.rows());
  auto policy = Kokkos::TeamPolicy<ExecSpace>(teams, kThreads);
  const std::size_t queries = Scratch::shmem_size((kernel.layout.dim + kVarianceGroups) * kernel.padded);
  const std::size_t mass =
      Scratch::shmem_size(kernel.padded * kernel.mass_stride()) + Scratch::shmem_size(kernel.padded);
  // Queries that would crowd other teams out of the fast scratch memory share the large one.
  const bool fast = queries <= kFastScratch;
  kernel.query_level = fast ? 0 : 1;
  policy.set_scratch_size(0, Kokkos::PerTeam(fast ? queries : 0));
  policy.set_scratch_size(1, Kokkos::PerTeam(fast ? mass : mass + queries));
  Kokkos::parallel_for("halftone::halftone::scores", policy, kernel);
}

Array<float> score_blocks(const Tensor& q, const KeyStatistics& statistics, const MaskGeometry& geometry, float scale,
                          const HalftoneOptions& options, const Array<float>& log_mass) {
  Array<float> scores(uninitialized("halftone::halftone::scores"), geometry.rows() * geometry.blocks());
  const RowLayout layout(q, geometry.cu_seqlens_q);
  const std::int64_t padded = (options.representatives + kRows - 1) / kRows * kRows;
  dispatch_dtype(q.dtype, [&](auto type) {
    using T = decltype(type);
    run_score_tiles(ScoreTiles<T>{static_cast<const T*>(q.data()), layout, statistics, geometry, scale,
                                  options.representatives, padded, options.aggregation, options.block_mass, scores,
                                  log_mass, 0});
  });
  return scores;
}

}  // namespace halftone::patterns::detail
