// Tiles of rows in shared memory, swizzled so that neither row-wise writes nor ldmatrix meet bank conflicts.
#pragma once

#include "halftone/cuda_specialized/wmma/mma.cuh"

namespace halftone::cuda::wmma {

/// A tile of kRows rows of Config::kDim 16-bit elements at a shared address: 16-byte piece c of row r lies at place
/// c ^ (r % 8) of its row.
template <class Config, int kRows>
struct SharedTile {
  static constexpr int kPieces = Config::kDim / 8;  ///< 16-byte pieces of a row

  std::uint32_t address;

  /// Starts copying rows 0 .. kRows - 1, the first at element `first` of `tensor`, the others `stride` elements apart,
  /// with all threads of the block. Rows from `rows` on and columns from `dim` on become zero, so that leftovers never
  /// reach a product.
  __device__ void load(const void* tensor, std::int64_t first, std::int64_t stride, std::int32_t rows, int dim) const {
    constexpr int kRowsAtOnce = Config::kThreads / kPieces;
    static_assert(kRowsAtOnce % 8 == 0 && kRows % kRowsAtOnce == 0);
    const int row = static_cast<int>(threadIdx.x) / kPieces, piece = static_cast<int>(threadIdx.x) % kPieces;
    const int present = piece * 8 < dim ? rows : 0;
    const std::uint32_t to = address + row * Config::kRowBytes + (piece ^ row % 8) * 16;
    const std::uint16_t* from = static_cast<const std::uint16_t*>(tensor) + first + row * stride + piece * 8;
#pragma unroll
    for (int i = 0; i < kRows; i += kRowsAtOnce, from += kRowsAtOnce * stride)
      copy_async(to + i * Config::kRowBytes, row + i < present ? from : tensor, row + i < present);
  }
};

/// How a lane addresses 16 x 16 pieces of a tile for ldmatrix: matrices in the order (rows 0-7, columns 0-7),
/// (rows 8-15, columns 0-7), (rows 0-7, columns 8-15), (rows 8-15, columns 8-15); across: the middle two exchanged.
template <class Config>
struct LanePlace {
  std::uint32_t row_offset, piece;

  __device__ explicit LanePlace(bool across) {
    const int lane = static_cast<int>(threadIdx.x) % 32, low = lane / 8 % 2, high = lane / 16;
    row_offset = ((across ? high : low) * 8 + lane % 8) * Config::kRowBytes;
    piece = ((across ? low : high) ^ lane % 8) * 16;
  }
  /// Of the 16 rows from `row` and 16 columns from 16 * column16 on.
  __device__ std::uint32_t operator()(std::uint32_t tile, int row, int column16) const {
    return tile + row * Config::kRowBytes + row_offset + (piece ^ column16 * 32);
  }
};

}  // namespace halftone::cuda::wmma
