// Block masks for the GPU benchmarks: made on the host, copied to the device.
#pragma once

#include <string>
#include <vector>

#include "device.hpp"
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

/// Row lengths spread log-normally (sigma 1.2, half of the variance between heads, half within), same mean density.
MaskArrays uneven_mask(const MaskGeometry& geometry, double density);

struct NamedMask {
  std::string name;
  MaskArrays mask;
};

/// The masks of a file of kind "mask", each for one sequence; Kokkos must be initialised. Throws FileError, and
/// Unsupported for masks of a batch.
std::vector<NamedMask> masks_of_file(const std::string& path);

/// Pairs of a dense request.
double dense_pairs(bool causal, std::int64_t seq, std::int32_t batch, std::int32_t heads_q);

class DeviceMask {
 public:
  explicit DeviceMask(const MaskArrays& mask);
  const BlockMaskView& view() const { return view_; }

 private:
  std::vector<DeviceBuffer> arrays_;
  BlockMaskView view_;
};

}  // namespace halftone::bench
