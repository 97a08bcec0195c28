#include "halftone/patterns/halftone/statistics.hpp"

#include <cmath>

#include "halftone/patterns/halftone/rows.hpp"
#include "halftone/patterns/random_order.hpp"

namespace halftone::patterns::detail {
namespace {

// Keys of micro-block m of block `block`: fewer than micro_block at the sequence's end, none past it.
HALFTONE_FUNCTION std::int64_t keys_in(const MaskGeometry& g, std::int64_t b, std::int64_t first, int micro_block) {
  const std::int64_t left = g.len_k(b) - first;
  return left < 0 ? 0 : (left < micro_block ? left : micro_block);
}

}  // namespace

template <class T>
void compute_moments(const T* keys, const RowLayout& layout, const MaskGeometry& geometry,
                     const HalftoneOptions& options, const KeyStatistics& statistics, const Array<float>& variances) {
  const int micro_block = options.micro_block, order = options.moments;
  const MaskGeometry g = geometry;
  const RowLayout rows = layout;
  const KeyStatistics s = statistics;
  const int chunks = column_chunks(s.dim);
  const std::int64_t items = std::int64_t{g.batch} * s.heads_kv * s.panels * kPanel * s.micro * chunks;
  Kokkos::parallel_for(
      "halftone::halftone::key_moments", Items(0, items), KOKKOS_LAMBDA(const std::int64_t item) {
        std::int64_t rest = item;
        const std::int64_t column = rest % chunks * kColumns;
        rest /= chunks;
        const std::int64_t m = rest % s.micro;
        rest /= s.micro;
        const std::int64_t block = rest % (s.panels * kPanel);
        rest /= s.panels * kPanel;
        const std::int64_t head = rest % s.heads_kv, b = rest / s.heads_kv;

        const int columns = static_cast<int>(s.dim - column < kColumns ? s.dim - column : kColumns);
        const std::int64_t first = block * g.block_k + m * micro_block;
        const std::int64_t count = keys_in(g, b, first, micro_block);
        // Sums of distances from the first key.
        float origin[kColumns] = {}, sum[kColumns] = {}, squares[kColumns] = {};
        if (count > 0) {
          const T* row = keys + rows.offset(b, head) + first * s.dim + column;
          for (int c = 0; c < columns; ++c) origin[c] = static_cast<float>(row[c]);
          for (std::int64_t i = 1; i < count; ++i)
            for (int c = 0; c < columns; ++c) {
              const float distance = static_cast<float>(row[i * s.dim + c]) - origin[c];
              sum[c] += distance;
              squares[c] += distance * distance;
            }
        }
        const float scale = count > 0 ? 1.0f / static_cast<float>(count) : 0.0f;
        float* mean = s.moments.data() + s.moments_at(b, head, block / kPanel, m) + column * kPanel + block % kPanel;
        float* variance = variances.data() + item / chunks * s.dim + column;
        for (int c = 0; c < columns; ++c) {
          const MeanAndVariance moments = key_moments(origin[c], sum[c], squares[c], scale);
          mean[c * kPanel] = order == 0 ? round_statistic(origin[c]) : moments.mean;
          variance[c] = order == 2 ? moments.variance : 0.0f;
        }
      });
}

// variances: [batch, heads_kv, panels * kPanel, micro, dim].
void average_variances(const Array<float>& variances, const KeyStatistics& statistics, const MaskGeometry& geometry,
                       const HalftoneOptions& options, std::uint64_t stream) {
  const KeyStatistics s = statistics;
  const MaskGeometry g = geometry;
  const bool shuffle = options.control == Control::shuffled_variances;
  const int micro_block = options.micro_block;
  const std::uint64_t seed = options.seed;
  const VarianceGroups groups(static_cast<int>(s.dim));
  const std::int64_t items = std::int64_t{g.batch} * s.heads_kv * s.panels * kPanel * s.micro * kVarianceGroups;
  Kokkos::parallel_for(
      "halftone::halftone::variance_groups", Items(0, items), KOKKOS_LAMBDA(const std::int64_t item) {
        const int group = static_cast<int>(item % kVarianceGroups), size = groups.size(group);
        const std::int64_t each = s.panels * kPanel * s.micro, sequence = item / kVarianceGroups / each;
        std::int64_t place = item / kVarianceGroups % each;  // block * micro + m
        const std::int64_t whole = g.len_k(sequence / s.heads_kv) / micro_block;
        if (shuffle && place < whole)
          place = RandomOrder(seed, stream, sequence, static_cast<std::uint32_t>(whole))
                      .position(static_cast<std::uint32_t>(place));
        const std::int64_t block = place / s.micro, m = place % s.micro;
        const float* variance = variances.data() + item / kVarianceGroups * s.dim;
        float sum = 0.0f;
        for (int i = 0; i < size; ++i) sum += variance[groups.at(group, i)];
        const std::int64_t at =
            s.moments_at(0, sequence, block / kPanel, m) + (s.dim + group) * kPanel + block % kPanel;
        s.moments(at) = size > 0 ? round_statistic(sum / static_cast<float>(size)) : 0.0f;
      });
}

KeyStatistics key_statistics(const Tensor& k, const MaskGeometry& geometry, const HalftoneOptions& options,
                             std::uint64_t stream) {
  const int micro_block = options.micro_block;
  KeyStatistics s;
  s.heads_kv = k.shape[1];
  s.dim = k.shape[3];
  s.panels = (geometry.blocks() + kPanel - 1) / kPanel;
  s.micro = geometry.block_k / micro_block;
  const std::int64_t micro_blocks = std::int64_t{geometry.batch} * s.panels * kPanel * s.micro;
  s.moments =
      Array<float>(uninitialized("halftone::halftone::moments"), micro_blocks * s.heads_kv * (s.dim + kVarianceGroups));
  s.log_count = Array<float>(uninitialized("halftone::halftone::log_count"), micro_blocks);

  const Array<float> variances(uninitialized("halftone::halftone::variances"), micro_blocks * s.heads_kv * s.dim);
  const RowLayout layout(k, geometry.cu_seqlens_k);
  dispatch_dtype(k.dtype, [&](auto type) {
    compute_moments(static_cast<const decltype(type)*>(k.data()), layout, geometry, options, s, variances);
  });
  average_variances(variances, s, geometry, options, stream);

  const MaskGeometry g = geometry;
  Kokkos::parallel_for(
      "halftone::halftone::log_count", Items(0, micro_blocks), KOKKOS_LAMBDA(const std::int64_t i) {
        const std::int64_t lane = i % kPanel, m = i / kPanel % s.micro, panel = i / kPanel / s.micro % s.panels;
        const std::int64_t b = i / kPanel / s.micro / s.panels;
        const std::int64_t first = (panel * kPanel + lane) * g.block_k + m * micro_block;
        const std::int64_t count = keys_in(g, b, first, micro_block);
        s.log_count(i) = count > 0 ? std::log(static_cast<float>(count)) : kNoKeys;
      });
  return s;
}

}  // namespace halftone::patterns::detail
