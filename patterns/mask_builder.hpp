// From a decision per block to a block-CSR mask: count, scan, fill, and explicit bits where nothing else will do.
#pragma once

#include <limits>
#include <string>

#include "halftone/core/block_mask.hpp"
#include "halftone/core/error.hpp"
#include "halftone/patterns/rule.hpp"

namespace halftone::patterns {

struct RowIndex {
  std::int64_t row, batch, head, tile;

  HALFTONE_FUNCTION RowIndex(const MaskGeometry& g, std::int64_t r)
      : row(r), batch(r / (std::int64_t{g.heads} * g.tiles())), head(r / g.tiles() % g.heads), tile(r % g.tiles()) {}
};

using RowPolicy = Kokkos::RangePolicy<ExecSpace, Kokkos::IndexType<std::int64_t>>;

/// Blocks that `select` keeps. A selector is copied into kernels and has
///   Cover cover(const RowIndex&, block)             what is kept of a visible block;
///   bool allowed(const RowIndex&, position, key)    the pairs of blocks with Cover::some.
template <class Selector>
std::int64_t count_blocks(const MaskGeometry& g, const Selector& select) {
  std::int64_t kept = 0;
  Kokkos::parallel_reduce(
      "halftone::patterns::count", RowPolicy(0, g.rows()),
      KOKKOS_LAMBDA(const std::int64_t r, std::int64_t& sum) {
        const RowIndex row(g, r);
        const std::int64_t visible = g.visible_blocks(row.batch, row.tile);
        for (std::int64_t block = 0; block < visible; ++block) sum += select.cover(row, block) != Cover::none;
      },
      kept);
  return kept;
}

/// Turns counts in data(1 ..) into offsets; data(0) stays 0. Returns the total.
inline std::int64_t counts_to_offsets(const Array<std::int64_t>& data) {
  std::int64_t total = 0;
  Kokkos::parallel_scan(
      "halftone::patterns::scan", RowPolicy(0, static_cast<std::int64_t>(data.extent(0)) - 1),
      KOKKOS_LAMBDA(const std::int64_t i, std::int64_t& sum, const bool last_pass) {
        sum += data(i + 1);
        if (last_pass) data(i + 1) = sum;
      },
      total);
  return total;
}

/// Explicit bits of the blocks (row, column) listed: allowed by the selector and visible.
template <class Selector>
void fill_bits(const MaskGeometry& g, const Selector& select, const Array<std::int64_t>& rows,
               const Array<std::int32_t>& columns, const Array<std::uint64_t>& bits) {
  const std::int64_t words = g.block_k / 64;
  Kokkos::parallel_for(
      "halftone::patterns::bits", RowPolicy(0, static_cast<std::int64_t>(bits.extent(0))),
      KOKKOS_LAMBDA(const std::int64_t index) {
        const std::int64_t line = index / words, entry = line / g.block_q;
        const RowIndex row(g, rows(entry));
        const std::int64_t query = row.tile * g.block_q + line % g.block_q;
        const std::int64_t key = std::int64_t{columns(entry)} * g.block_k + index % words * 64;
        const std::int64_t position = query + g.len_k(row.batch) - g.len_q(row.batch);
        const std::int64_t end = query < g.len_q(row.batch) ? g.visible_keys(row.batch, query) : 0;
        std::uint64_t word = 0;
        for (std::int64_t bit = 0; bit < 64 && key + bit < end; ++bit)
          if (select.allowed(row, position, key + bit)) word |= std::uint64_t{1} << bit;
        bits(index) = word;
      });
}

/// The mask of all blocks that `select` keeps, columns ascending, with the flags that their pairs need. Blocks without
/// a visible pair are never listed. Time O(visible blocks), one thread a row; memory O(kept blocks).
template <class Selector>
BlockMask build_mask(const MaskGeometry& g, const Selector& select) {
  const std::int64_t rows = g.rows();
  const Array<std::int64_t> row_ptr("halftone::patterns::row_ptr", rows + 1);
  const Array<std::int64_t> bit_ptr("halftone::patterns::bit_ptr", rows + 1);
  Kokkos::parallel_for(
      "halftone::patterns::count_rows", RowPolicy(0, rows), KOKKOS_LAMBDA(const std::int64_t r) {
        const RowIndex row(g, r);
        const std::int64_t visible = g.visible_blocks(row.batch, row.tile);
        std::int64_t kept = 0, with_bits = 0;
        for (std::int64_t block = 0; block < visible; ++block) {
          const Cover cover = select.cover(row, block);
          kept += cover != Cover::none;
          with_bits += cover == Cover::some;
        }
        row_ptr(r + 1) = kept;
        bit_ptr(r + 1) = with_bits;
      });
  const std::int64_t kept = counts_to_offsets(row_ptr), bit_blocks = counts_to_offsets(bit_ptr);
  if (bit_blocks > std::numeric_limits<std::int32_t>::max())
    throw InvalidArgument("blocks with explicit bits", std::to_string(bit_blocks), "at most 2147483647");

  const Array<std::int32_t> col_idx(uninitialized("halftone::patterns::col_idx"), kept);
  const Array<std::uint8_t> kind(uninitialized("halftone::patterns::kind"), kept);
  const Array<std::int32_t> bits_index(uninitialized("halftone::patterns::bits_index"), bit_blocks ? kept : 0);
  const Array<std::int64_t> bit_rows(uninitialized("halftone::patterns::bit_rows"), bit_blocks);
  const Array<std::int32_t> bit_columns(uninitialized("halftone::patterns::bit_columns"), bit_blocks);
  Kokkos::parallel_for(
      "halftone::patterns::fill", RowPolicy(0, rows), KOKKOS_LAMBDA(const std::int64_t r) {
        const RowIndex row(g, r);
        const std::int64_t visible = g.visible_blocks(row.batch, row.tile);
        std::int64_t entry = row_ptr(r), bit_entry = bit_ptr(r);
        for (std::int64_t block = 0; block < visible; ++block) {
          const Cover cover = select.cover(row, block);
          if (cover == Cover::none) continue;
          std::uint8_t flags = g.edge_kind(row.batch, row.tile, block);
          if (cover == Cover::window) flags |= kBlockWindow;
          if (bit_blocks > 0) bits_index(entry) = cover == Cover::some ? static_cast<std::int32_t>(bit_entry) : -1;
          if (cover == Cover::some) {
            flags |= kBlockBits;
            bit_rows(bit_entry) = r;
            bit_columns(bit_entry++) = static_cast<std::int32_t>(block);
          }
          col_idx(entry) = static_cast<std::int32_t>(block);
          kind(entry++) = flags;
        }
      });
  const Array<std::uint64_t> bits(uninitialized("halftone::patterns::bit_words"),
                                  bit_blocks * g.block_q * (g.block_k / 64));
  if (bit_blocks) fill_bits(g, select, bit_rows, bit_columns, bits);

  BlockMask mask;
  mask.row_ptr = row_ptr;
  mask.col_idx = col_idx;
  mask.kind = kind;
  mask.bits_index = bits_index;
  mask.bits = bits;
  mask.batch = g.batch;
  mask.heads = g.heads;
  mask.tiles = g.tiles();
  mask.blocks = g.blocks();
  mask.block_q = g.block_q;
  mask.block_k = g.block_k;
  mask.visible = count_visible_blocks(g);
  return mask;
}

}  // namespace halftone::patterns
