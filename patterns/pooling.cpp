#include "halftone/patterns/pooling.hpp"

#include <cmath>

#include "halftone/patterns/halftone/rows.hpp"

namespace halftone::patterns {
namespace {

template <class T>
void pool(const Tensor& tensor, const std::int32_t* cu_seqlens, const Runs& runs, Pooling pooling, const Rows& result) {
  const detail::RowLayout layout(tensor, cu_seqlens);
  const T* x = static_cast<const T*>(tensor.data());
  const std::int64_t chunks = detail::column_chunks(layout.dim);
  const std::int64_t items = static_cast<std::int64_t>(result.extent(0)) * layout.heads * runs.count * chunks;
  Kokkos::parallel_for(
      "halftone::patterns::pool", detail::Items(0, items), KOKKOS_LAMBDA(const std::int64_t item) {
        const std::int64_t column = item % chunks * detail::kColumns, run = item / chunks % runs.count;
        const std::int64_t h = item / chunks / runs.count % layout.heads, b = item / chunks / runs.count / layout.heads;
        const std::int64_t length = layout.cu_seqlens ? layout.cu_seqlens[b + 1] - layout.cu_seqlens[b] : layout.seq;
        const std::int64_t first = runs.first(length, run), count = runs.end(length, run) - first;
        const int columns =
            static_cast<int>(layout.dim - column < detail::kColumns ? layout.dim - column : detail::kColumns);
        const T* rows = x + layout.offset(b, h) + first * layout.dim + column;
        float values[detail::kColumns] = {};
        if (count > 0 && pooling == Pooling::mean) detail::mean_of_rows(rows, count, layout.dim, columns, values);
        for (std::int64_t i = 0; i < count && pooling != Pooling::mean; ++i)
          for (int c = 0; c < columns; ++c) {
            const float value = static_cast<float>(rows[i * layout.dim + c]);
            const bool farther = pooling == Pooling::least ? value < values[c] : value > values[c];
            if (i == 0 || farther || value != value) values[c] = value;  // NaN is not lost
          }
        for (int c = 0; c < columns; ++c) result(b, h, run, column + c) = values[c];
      });
}

}  // namespace

Rows pooled(const Tensor& tensor, const std::int32_t* cu_seqlens, std::int64_t batch, const Runs& runs,
            Pooling pooling) {
  const Rows result(uninitialized("halftone::patterns::pooled"), batch, tensor.shape[1], runs.count, tensor.shape[3]);
  dispatch_dtype(tensor.dtype, [&](auto zero) { pool<decltype(zero)>(tensor, cu_seqlens, runs, pooling, result); });
  return result;
}

Rows pooled_queries(const PatternRequest& request, std::int64_t rows) {
  const MaskGeometry& g = request.geometry;
  return pooled(*request.q, g.cu_seqlens_q, g.batch, {rows, std::int64_t{g.tiles()} * (g.block_q / rows)});
}

Rows pooled_keys(const PatternRequest& request, std::int64_t rows, Pooling pooling) {
  const MaskGeometry& g = request.geometry;
  return pooled(*request.k, g.cu_seqlens_k, g.batch, {rows, std::int64_t{g.blocks()} * (g.block_k / rows)}, pooling);
}

float attention_scale(const PatternRequest& request) {
  return request.scale != 0.0f ? request.scale : 1.0f / std::sqrt(static_cast<float>(request.q->shape[3]));
}

}  // namespace halftone::patterns
