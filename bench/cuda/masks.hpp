// Block masks for the GPU benchmarks, on the host; no CUDA.
#pragma once

#include <string>
#include <vector>

#include "halftone/core/block_mask.hpp"

namespace halftone::bench {

/// A block mask in plain host memory; fields as in BlockMaskView.
struct MaskArrays {
  std::vector<std::int64_t> row_ptr;
  std::vector<std::int32_t> col_idx;
  std::vector<std::uint8_t> kind;
  std::vector<std::int32_t> bits_index;
  std::vector<std::uint64_t> bits;
  BlockMaskView sizes;  ///< with null pointers
  bool causal = false;
  std::int64_t visible = 0;  ///< blocks that hold a visible pair

  /// Kept blocks over visible blocks.
  double density() const { return static_cast<double>(col_idx.size()) / static_cast<double>(visible); }

  BlockMaskView view() const;
  /// The longest sequence that the mask is made for.
  std::int64_t seq() const;
  /// (query, key) pairs that count, over all batches and heads of a request with these lengths and query heads.
  double pairs(std::int64_t seq, std::int32_t batch, std::int32_t heads_q) const;
};

/// Every row keeps the same share of its visible blocks, drawn at random; the blocks of its own keys always.
MaskArrays even_mask(const MaskGeometry& geometry, double density);

/// Row lengths spread log-normally (half of the variance between heads, half within) about a share that gives this
/// density over all rows; sigma 0: the same share everywhere, like even_mask, whose rounding and own blocks add to it.
MaskArrays uneven_mask(const MaskGeometry& geometry, double density, double sigma = 1.2);

struct NamedMask {
  std::string name;
  MaskArrays mask;
};

/// The masks of a file of kind "mask", each for one sequence; Kokkos must be initialised. Throws FileError, and
/// Unsupported for masks of a batch.
std::vector<NamedMask> masks_of_file(const std::string& path);

/// Bias rows [batch, heads_q, tiles, blocks] for landmarks, one per key block, of a request with these lengths and
/// query heads: log(block_k) where the mask leaves out a block that every query of the tile sees whole, -inf elsewhere.
std::vector<float> landmark_bias(const MaskArrays& mask, std::int64_t seq, std::int32_t batch, std::int32_t heads_q);

/// Pairs of a dense request.
double dense_pairs(bool causal, std::int64_t seq, std::int32_t batch, std::int32_t heads_q);

}  // namespace halftone::bench
