#include "halftone/patterns/halftone/landmarks.hpp"

#include <cmath>
#include <limits>

#include "halftone/patterns/halftone/rows.hpp"
#include "halftone/patterns/mask_builder.hpp"

namespace halftone::patterns::detail {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

}  // namespace

template <class T>
void compute_block_means(const T* data, const RowLayout& layout, const MaskGeometry& geometry, T* means) {
  const RowLayout rows = layout;
  const MaskGeometry g = geometry;
  const int chunks = column_chunks(rows.dim);
  const std::int64_t blocks = g.blocks(), items = g.batch * rows.heads * blocks * chunks;
  Kokkos::parallel_for(
      "halftone::halftone::block_means", Items(0, items), KOKKOS_LAMBDA(const std::int64_t i) {
        const std::int64_t column = i % chunks * kColumns, block = i / chunks % blocks;
        const std::int64_t head = i / chunks / blocks % rows.heads, b = i / chunks / blocks / rows.heads;
        const int columns = static_cast<int>(rows.dim - column < kColumns ? rows.dim - column : kColumns);
        const std::int64_t first = block * g.block_k, left = g.len_k(b) - first;
        const std::int64_t count = left < g.block_k ? left : g.block_k;
        float mean[kColumns] = {};
        if (count > 0)
          mean_of_rows(data + rows.offset(b, head) + first * rows.dim + column, count, rows.dim, columns, mean);
        T* out = means + ((b * rows.heads + head) * blocks + block) * rows.dim + column;
        for (int c = 0; c < columns; ++c) out[c] = T(mean[c]);
      });
}

Tensor block_means(const Tensor& tensor, const MaskGeometry& geometry) {
  const RowLayout layout(tensor, geometry.cu_seqlens_k);
  Tensor means("halftone::halftone::block_means", tensor.dtype,
               {geometry.batch, layout.heads, geometry.blocks(), layout.dim});
  dispatch_dtype(tensor.dtype, [&](auto type) {
    using T = decltype(type);
    compute_block_means(static_cast<const T*>(tensor.data()), layout, geometry, static_cast<T*>(means.data()));
  });
  return means;
}

Landmarks make_landmarks(const Tensor& k, const Tensor& v, const Array<float>& priorities,
                         const Array<float>& tolerance, const Array<std::uint8_t>& gate, const MaskGeometry& geometry) {
  Landmarks landmarks;
  landmarks.key = block_means(k, geometry);
  landmarks.value = block_means(v, geometry);
  landmarks.tiles = geometry.tiles();
  landmarks.block_q = geometry.block_q;
  const MaskGeometry g = geometry;
  const std::int64_t blocks = g.blocks(), entries = g.rows() * blocks, list_size = g.tiles() * blocks;
  const std::int64_t group = entries / static_cast<std::int64_t>(priorities.extent(0));  // heads of a list
  landmarks.bias = Array<float>(uninitialized("halftone::halftone::landmark_bias"), entries);
  const auto bias = landmarks.bias;
  const float log_block = std::log(static_cast<float>(g.block_k));
  Kokkos::parallel_for(
      "halftone::halftone::landmark_bias", RowPolicy(0, entries), KOKKOS_LAMBDA(const std::int64_t i) {
        const RowIndex row(g, i / blocks);
        const std::int64_t block = i % blocks;
        const bool past = block < g.past_blocks(row.batch, row.tile);
        const std::int64_t entry = i / list_size / group * list_size + i % list_size;  // of the list
        const bool stands_in = past && gate(row.head) && !(priorities(entry) > tolerance(entry / blocks));
        bias(i) = stands_in ? log_block : kNever;
      });
  return landmarks;
}

}  // namespace halftone::patterns::detail
