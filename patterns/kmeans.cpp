#include "halftone/patterns/kmeans.hpp"

#include <cmath>

#include "halftone/patterns/dot.hpp"
#include "halftone/patterns/halftone/rows.hpp"
#include "halftone/patterns/mask_builder.hpp"
#include "halftone/patterns/random_order.hpp"

namespace halftone::patterns {
namespace {

/// What the kernels share. Lists are pairs of sequence and query head; tokens are a list's queries, then its keys.
struct Clustering {
  using Centroids = Kokkos::View<float***, Kokkos::LayoutRight, MemSpace>;  ///< [lists, clusters, dim]

  MaskGeometry geometry;
  Rows q, k;
  Buckets buckets;
  Centroids centroids, sums;

  HALFTONE_FUNCTION std::int64_t tokens(std::int64_t list) const {
    return geometry.len_q(list / geometry.heads) + geometry.len_k(list / geometry.heads);
  }

  HALFTONE_FUNCTION const float* token(std::int64_t list, std::int64_t t) const {
    const std::int64_t b = list / geometry.heads, head = list % geometry.heads, len_q = geometry.len_q(b);
    const std::int64_t group = geometry.heads / static_cast<std::int64_t>(k.extent(1));
    return t < len_q ? &q(b, head, t, 0) : &k(b, head / group, t - len_q, 0);
  }

  HALFTONE_FUNCTION std::int32_t& id(std::int64_t list, std::int64_t t) const {
    const std::int64_t b = list / geometry.heads, head = list % geometry.heads, len_q = geometry.len_q(b);
    return t < len_q ? buckets.q(b, head, 0, t) : buckets.k(b, head, 0, t - len_q);
  }
};

void seed_centroids(const Clustering& c, std::uint64_t seed) {
  const std::int64_t clusters = c.centroids.extent(1), dim = c.centroids.extent(2);
  Kokkos::parallel_for(
      "halftone::patterns::kmeans_seed", RowPolicy(0, static_cast<std::int64_t>(c.centroids.size())),
      KOKKOS_LAMBDA(const std::int64_t i) {
        const std::int64_t d = i % dim, cluster = i / dim % clusters, list = i / dim / clusters;
        const std::int64_t tokens = c.tokens(list);
        if (tokens == 0) return;
        const RandomOrder order(seed, static_cast<std::uint64_t>(list), 0, static_cast<std::uint32_t>(tokens));
        const std::int64_t drawn = order.position(static_cast<std::uint32_t>(cluster % tokens));
        c.centroids(list, cluster, d) = c.token(list, drawn)[d];
      });
}

void assign(const Clustering& c) {
  const std::int64_t clusters = c.centroids.extent(1), dim = c.centroids.extent(2);
  const std::int64_t lists = c.centroids.extent(0), longest = c.geometry.seq_q + c.geometry.seq_k;
  Kokkos::parallel_for(
      "halftone::patterns::kmeans_assign", RowPolicy(0, lists * longest), KOKKOS_LAMBDA(const std::int64_t i) {
        const std::int64_t list = i / longest, t = i % longest;
        if (t >= c.tokens(list)) return;
        std::int32_t best = 0;
        float most = 0.0f;
        for (std::int64_t cluster = 0; cluster < clusters; ++cluster) {
          const float product = dot(c.token(list, t), &c.centroids(list, cluster, 0), dim);
          if (cluster == 0 || product > most) most = product, best = static_cast<std::int32_t>(cluster);
        }
        c.id(list, t) = best;
      });
}

void move_centroids(const Clustering& c) {
  const std::int64_t clusters = c.centroids.extent(1), dim = c.centroids.extent(2), lists = c.centroids.extent(0);
  const std::int64_t chunks = detail::column_chunks(dim);
  Kokkos::parallel_for(
      "halftone::patterns::kmeans_sums", RowPolicy(0, lists * clusters * chunks), KOKKOS_LAMBDA(const std::int64_t i) {
        const std::int64_t column = i % chunks * detail::kColumns, cluster = i / chunks % clusters;
        const std::int64_t list = i / chunks / clusters;
        const int columns = static_cast<int>(dim - column < detail::kColumns ? dim - column : detail::kColumns);
        float sum[detail::kColumns] = {};
        for (std::int64_t t = 0; t < c.tokens(list); ++t)
          if (c.id(list, t) == cluster)
            for (int d = 0; d < columns; ++d) sum[d] += c.token(list, t)[column + d];
        for (int d = 0; d < columns; ++d) c.sums(list, cluster, column + d) = sum[d];
      });
  Kokkos::parallel_for(
      "halftone::patterns::kmeans_move", RowPolicy(0, lists * clusters), KOKKOS_LAMBDA(const std::int64_t i) {
        const float* sum = &c.sums(i / clusters, i % clusters, 0);
        const float norm = std::sqrt(dot(sum, sum, dim));
        if (!(norm > 0.0f)) return;
        for (std::int64_t d = 0; d < dim; ++d) c.centroids(i / clusters, i % clusters, d) = sum[d] / norm;
      });
}

}  // namespace

void normalise_rows(const Rows& rows) {
  const std::int64_t heads = rows.extent(1), count = rows.extent(2), dim = rows.extent(3);
  Kokkos::parallel_for(
      "halftone::patterns::normalise", RowPolicy(0, static_cast<std::int64_t>(rows.extent(0)) * heads * count),
      KOKKOS_LAMBDA(const std::int64_t i) {
        float* x = &rows(i / count / heads, i / count % heads, i % count, 0);
        float mean = 0.0f;
        for (std::int64_t d = 0; d < dim; ++d) mean += x[d];
        mean /= static_cast<float>(dim);
        for (std::int64_t d = 0; d < dim; ++d) x[d] -= mean;
        const float norm = std::sqrt(dot(x, x, dim));
        for (std::int64_t d = 0; d < dim; ++d) x[d] = norm > 0.0f ? x[d] / norm : 0.0f;
      });
}

Buckets cluster(const MaskGeometry& geometry, const Rows& q, const Rows& k, std::int64_t clusters,
                std::int64_t iterations, std::uint64_t seed) {
  const std::int64_t batch = geometry.batch, heads = geometry.heads, dim = q.extent(3);
  const Buckets buckets{Buckets::Ids("halftone::patterns::kmeans_q", batch, heads, 1, q.extent(2)),
                        Buckets::Ids("halftone::patterns::kmeans_k", batch, heads, 1, k.extent(2)), clusters};
  const Clustering c{geometry,
                     q,
                     k,
                     buckets,
                     Clustering::Centroids("halftone::patterns::centroids", batch * heads, clusters, dim),
                     Clustering::Centroids("halftone::patterns::centroid_sums", batch * heads, clusters, dim)};
  seed_centroids(c, seed);
  for (std::int64_t i = 0; i < iterations; ++i) {
    assign(c);
    move_centroids(c);
  }
  assign(c);
  return buckets;
}

}  // namespace halftone::patterns
