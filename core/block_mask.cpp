#include "halftone/core/block_mask.hpp"

#include <fmt/format.h>

#include "halftone/core/error.hpp"

namespace halftone {
namespace {

template <class To, class From>
To copy_mask(const From& from) {
  const auto copy = [](const auto& view) {
    return Kokkos::create_mirror_view_and_copy(typename decltype(To::row_ptr)::memory_space{}, view);
  };
  To to;
  to.row_ptr = copy(from.row_ptr);
  to.col_idx = copy(from.col_idx);
  to.kind = copy(from.kind);
  to.bits_index = copy(from.bits_index);
  to.bits = copy(from.bits);
  to.window_left = from.window_left;
  to.window_right = from.window_right;
  to.batch = from.batch;
  to.heads = from.heads;
  to.tiles = from.tiles;
  to.blocks = from.blocks;
  to.block_q = from.block_q;
  to.block_k = from.block_k;
  to.visible = from.visible;
  to.pattern = from.pattern;
  to.parameters = from.parameters;
  return to;
}

void require(bool ok, std::string_view what, std::string_view got, std::string_view expected) {
  if (!ok) throw InvalidArgument(what, got, expected);
}

void require_equal(std::int64_t got, std::int64_t expected, std::string_view what) {
  require(got == expected, what, std::to_string(got), std::to_string(expected));
}

}  // namespace

HostBlockMask to_host(const BlockMask& mask) { return copy_mask<HostBlockMask>(mask); }
BlockMask to_device(const HostBlockMask& mask) { return copy_mask<BlockMask>(mask); }

std::int64_t count_visible_blocks(const MaskGeometry& g) {
  std::int64_t visible = 0;
  const std::int64_t tiles = g.tiles();
  Kokkos::parallel_reduce(
      "halftone::core::count_visible_blocks", Kokkos::RangePolicy<ExecSpace>(0, g.batch * tiles),
      KOKKOS_LAMBDA(const std::int64_t i, std::int64_t& sum) { sum += g.visible_blocks(i / tiles, i % tiles); },
      visible);
  return visible * g.heads;
}

void validate(const HostBlockMask& m) {
  require(m.batch > 0 && m.heads > 0 && m.tiles > 0 && m.blocks > 0, "mask sizes",
          fmt::format("batch {}, heads {}, tiles {}, blocks {}", m.batch, m.heads, m.tiles, m.blocks), "all positive");
  require(m.block_q > 0, "mask block_q", std::to_string(m.block_q), "a positive number");
  require(m.block_k > 0 && m.block_k % 64 == 0, "mask block_k", std::to_string(m.block_k), "a multiple of 64");
  const std::int64_t rows = std::int64_t{m.batch} * m.heads * m.tiles, nnz = m.kept();
  require_equal(static_cast<std::int64_t>(m.row_ptr.extent(0)), rows + 1, "mask row_ptr length");
  require_equal(static_cast<std::int64_t>(m.kind.extent(0)), nnz, "mask kind length");
  require_equal(m.row_ptr(0), 0, "mask row_ptr[0]");
  for (std::int64_t row = 0; row < rows; ++row)
    require(m.row_ptr(row) <= m.row_ptr(row + 1), fmt::format("mask row_ptr[{}]", row + 1),
            std::to_string(m.row_ptr(row + 1)), fmt::format("at least row_ptr[{}] = {}", row, m.row_ptr(row)));
  require_equal(m.row_ptr(rows), nnz, "mask row_ptr's last entry");
  const std::int64_t words_per_block = std::int64_t{m.block_q} * (m.block_k / 64);
  const auto indices = static_cast<std::int64_t>(m.bits_index.extent(0));
  const auto words = static_cast<std::int64_t>(m.bits.extent(0)), bit_blocks = words / words_per_block;
  require(indices == 0 || indices == nnz, "mask bits_index length", std::to_string(indices),
          fmt::format("0 or {}", nnz));
  require(words % words_per_block == 0, "mask bits length", std::to_string(words),
          fmt::format("a multiple of {}", words_per_block));
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t e = m.row_ptr(row); e < m.row_ptr(row + 1); ++e) {
      const std::int32_t col = m.col_idx(e);
      require(col >= 0 && col < m.blocks, fmt::format("mask col_idx[{}]", e), std::to_string(col),
              fmt::format("0 to {}", m.blocks - 1));
      require(e == m.row_ptr(row) || m.col_idx(e - 1) < col, fmt::format("mask col_idx[{}]", e), std::to_string(col),
              "columns ascending within a row");
      require(m.kind(e) < 16, fmt::format("mask kind[{}]", e), std::to_string(m.kind(e)), "a set of flags below 16");
      if (m.kind(e) & kBlockBits) {
        const std::int64_t index = indices > 0 ? m.bits_index(e) : -1;
        require(index >= 0 && index < bit_blocks, fmt::format("mask bits_index[{}]", e), std::to_string(index),
                fmt::format("0 to {}", bit_blocks - 1));
      }
    }
}

}  // namespace halftone
