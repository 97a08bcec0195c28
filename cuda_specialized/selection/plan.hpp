// What the selection's kernels share: sizes, settings, and where everything lies in the workspace.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "halftone/core/mask_geometry.hpp"
#include "halftone/cuda_specialized/selection/divider.hpp"
#include "halftone/cuda_specialized/selection/selection.hpp"
#include "halftone/cuda_specialized/selection/tile_range.hpp"

namespace halftone::cuda::selection {

inline constexpr int kRowGroup = 64;   ///< representatives of one product, a warpgroup's
inline constexpr int kItemRows = 128;  ///< representatives that one thread block scores at a time
inline constexpr int kLog2Columns = 7, kColumns = 1 << kLog2Columns;  ///< micro-blocks of one copy

/// The bits of a priority, which is positive, in two digits: 12 bits, by which the scores' kernel counts all
/// priorities, and 19 bits, by which those are counted that share the tolerance's first digit. Counts of the second
/// digit are summed up in groups, too; these lie a sector apart, so that additions to them do not queue at a few lines
/// of the L2 cache.
inline constexpr int kFirstBits = 12, kSecondBits = 19, kGroupBits = 9;
inline constexpr int kFirstBins = 1 << kFirstBits, kSecondBins = 1 << kSecondBits, kGroups = 1 << kGroupBits;
inline constexpr int kGroupBins = kSecondBins / kGroups;
inline constexpr int kGroupStride = 8;

/// Blocks of all rows, counted in 32 bits, and representatives of all tiles.
inline constexpr std::int64_t kMostBlocks = 0xffffffff, kMostRepresentatives = 0x7fffffff;

/// Shared memory that a thread block of the scores' kernel has left for the exponentials of an item, 256 blocks wide.
inline constexpr int kItemShareBytes = kItemRows * 256 * 2;

/// Rows of the mask that one thread block lists.
inline constexpr int kListRows = 16;

/// The search for the tolerance between two digits.
struct SearchState {
  std::uint64_t rank;    ///< priorities that may exceed it, of those that share the prefix
  std::uint32_t prefix;  ///< digits found so far
  std::uint32_t all;     ///< there are no more than may be kept: every block is
};

/// 32 neighbouring blocks of a row, a bit each, once the tolerance's first digit is known: those that are kept in any
/// case, and those that the second digit decides.
struct alignas(8) Marks {
  std::uint32_t kept, open;
};

struct Control {
  SelectionOutcome outcome;
  SearchState search[2];    ///< before the first digit, and before the second
  std::uint32_t next_list;  ///< thread blocks that have begun to list
};

/// Operands as wgmma reads them: rows of means (or queries) in chunks of 64 columns with the 128-byte swizzle, behind
/// them the rows' 16 grouped variances (or squares) with the 32-byte swizzle.
HALFTONE_FUNCTION constexpr int wide_bytes(int rows, int dim) { return rows * dim * 2; }
HALFTONE_FUNCTION constexpr int operand_bytes(int rows, int dim) { return wide_bytes(rows, dim) + rows * 32; }

/// Place of 16-byte piece `piece` of row `row` in the wide part, and of piece 0 or 1 in the narrow part.
HALFTONE_FUNCTION inline std::uint32_t wide_offset(std::uint32_t rows, std::uint32_t row, std::uint32_t piece) {
  return (piece / 8 * rows + row) * 128 + ((piece % 8) ^ (row % 8)) * 16;
}
HALFTONE_FUNCTION inline std::uint32_t narrow_offset(std::uint32_t row, std::uint32_t piece) {
  return row * 32 + (piece ^ (row / 4 % 2)) * 16;
}

/// A micro-block's log-mass in powers of two, log2_size + logit y with y = mean + spread (v + min(v, cap)), where mean
/// and v are what the products with its mean and variances give: the smaller of LogMass2's two lines, taken apart.
struct LogMassTerms {
  float logit, spread, cap, log2_size;
};

/// The tile that a row of the mask is for.
struct MaskRow {
  SequenceTiles sequence;
  std::int32_t tile;
};

struct Plan {
  AttentionParams params;
  MaskGeometry geometry;
  SelectionOptions options;

  std::int32_t tiles, blocks;
  std::int32_t rows;                  ///< of the mask
  std::int32_t dim;                   ///< padded to 64 or 128
  std::int32_t log2_micro_block;      ///< keys per micro-block
  std::int32_t log2_block;            ///< keys per block
  std::int32_t micros, log2_micros;   ///< micro-blocks per block
  std::int32_t chunks;                ///< copies along the keys: ceil(blocks * micros / kColumns)
  std::int32_t chunk_blocks;          ///< blocks of a copy
  std::int32_t group;                 ///< query heads per key-value head
  std::int32_t log2_representatives;  ///< per tile
  std::int32_t row_groups;            ///< per key-value head: ceil(tiles * group * R / kRowGroup)
  std::int32_t item_groups;           ///< items per key-value head: ceil(row_groups / 2)
  std::int32_t items;                 ///< of kItemRows representatives, over all sequences and key-value heads
  std::int32_t share_pitch;           ///< from one row's exponentials to the next one's: whole lines of shared memory
  std::int32_t folded;                ///< 1: the longest group of rows goes with the shortest
  std::int32_t score_blocks, list_blocks;  ///< thread blocks of the scores' and of the lists' kernel
  LogMassTerms log_mass;                   ///< of a full micro-block
  Divider by_group, by_heads_kv, by_sequences, by_tiles, by_head_tiles;  ///< the last: tiles of a sequence's heads

  std::uint8_t* statistics;    ///< [batch, heads_kv, chunks] operands of kColumns means, then of grouped variances
  std::uint16_t* shares;       ///< [score_blocks, kItemRows, share_pitch] bfloat16; null: in shared memory
  float* priorities;           ///< [rows, blocks]; later the landmarks' biases
  Marks* marks;                ///< [rows, words()]
  std::uint32_t* first_bins;   ///< [kFirstBins]
  std::uint32_t* group_bins;   ///< [kGroups, kGroupStride], of which the first counts
  std::uint32_t* second_bins;  ///< [kSecondBins]; the three follow one another
  std::uint32_t* progress;     ///< [list_blocks] blocks that their rows keep, once known
  Control* control;
  std::int64_t* row_ptr;
  std::int32_t* col_idx;
  std::uint8_t* kind;
  std::uint16_t *landmark_key, *landmark_value;  ///< [batch, heads_kv, blocks, params.dim] or null

  HALFTONE_FUNCTION std::int32_t words() const { return (blocks + 31) / 32; }
  HALFTONE_FUNCTION SequenceTiles sequence(std::int32_t b) const {
    const SequenceExtent extent = sequence_extent(params, b);
    return {static_cast<std::int32_t>(extent.len_q),
            static_cast<std::int32_t>(extent.len_k),
            log2_block,
            options.sink_blocks,
            options.local_blocks,
            params.causal};
  }
  HALFTONE_FUNCTION MaskRow mask_row(std::int32_t row) const {
    const auto at = static_cast<std::uint32_t>(row);
    return {sequence(static_cast<std::int32_t>(by_head_tiles.quotient(at))),
            row - static_cast<std::int32_t>(by_tiles.quotient(at)) * tiles};
  }
  HALFTONE_FUNCTION bool has_budget() const { return options.density > 0.0; }
  HALFTONE_FUNCTION std::int32_t item_share_bytes() const { return kItemRows * share_pitch * 2; }
  HALFTONE_FUNCTION std::int64_t statistics_bytes() const { return operand_bytes(kColumns, dim); }
};
static_assert(std::is_trivially_copyable_v<Plan>);

/// The representative at a place of a key-value head's list: tile by tile, head by head of the group.
struct RepresentativePlace {
  std::int32_t tile, head, index;  ///< head: within the group

  HALFTONE_FUNCTION RepresentativePlace(const Plan& plan, std::int32_t row) {
    const auto at = static_cast<std::uint32_t>(row);
    const std::uint32_t unit = at >> plan.log2_representatives;
    index = static_cast<std::int32_t>(at - (unit << plan.log2_representatives));
    tile = static_cast<std::int32_t>(plan.by_group.quotient(unit));
    head = static_cast<std::int32_t>(unit) - tile * plan.group;
  }
};

/// Row of a statistics operand that holds micro-block m of the chunk's block `block`: in each half of the chunk, a
/// product of its own, those of one block fall to one thread (thread t of four holds columns 8 j + 2 t + {0, 1}), whose
/// blocks are neighbours.
HALFTONE_FUNCTION inline std::uint32_t statistics_row(std::uint32_t block, std::uint32_t m, int log2_micros) {
  const std::uint32_t micro = (block << log2_micros) + m, at = micro % 16;
  return micro / 64 * 64 + at / 2 * 8 + micro % 64 / 16 * 2 + at % 2;
}

/// Lays the plan out in `workspace`; null: for its size alone.
Plan make_plan(const AttentionParams& params, const SelectionOptions& options, void* workspace, int multiprocessors,
               std::size_t* bytes);

/// The kernels, in this order, each behind the one before on the stream.
void launch_statistics(const Plan& plan, cudaStream_t stream);
void launch_scores(const Plan& plan, cudaStream_t stream);
void launch_threshold(const Plan& plan, cudaStream_t stream);
void launch_lists(const Plan& plan, cudaStream_t stream);

/// The scores' kernels, each in a source file of its own so that they compile in parallel.
template <int kDim, bool kSum>
void launch_scores_of(const Plan& plan, cudaStream_t stream);

}  // namespace halftone::cuda::selection
