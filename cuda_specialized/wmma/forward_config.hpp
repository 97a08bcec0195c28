// Sizes of the mma.sync forward kernel, all compile-time.
#pragma once

namespace halftone::cuda::wmma {

/// One thread block of four warps per tile of `kQueries` queries: 16 or 32 query rows per warp. With 32, each fragment
/// of K and V that a warp reads from shared memory serves two products. With 16, reading them takes as long as
/// multiplying: a warp reads a 64 x 128 tile of K in 128 cycles (16 KiB at 128 bytes per cycle) for 128 cycles' worth
/// of an Ampere multiprocessor's 1,024 multiply-adds.
template <int kHeadDim, int kQueries>
struct ForwardConfig {
  static constexpr int kDim = kHeadDim;
  static constexpr int kBlockM = kQueries;  ///< queries per tile
  static constexpr int kBlockN = 64;        ///< keys per step: one selected block
  static constexpr int kWarps = 4, kThreads = 32 * kWarps;
  static constexpr int kRowTiles = kBlockM / (16 * kWarps);  ///< 16-row tiles of a warp
  static constexpr int kStages = 3;                          ///< K and V tiles in flight, together
  static constexpr int kBlocksPerSm = kRowTiles == 2 ? 2 : 3;  ///< what registers are to allow

  static constexpr int kRowBytes = kDim * 2;
  static constexpr int kQueryBytes = kBlockM * kRowBytes;
  static constexpr int kTileBytes = kBlockN * kRowBytes;
  static constexpr int kSharedBytes = kQueryBytes + kStages * kTileBytes;
  static_assert(kHeadDim == 64 || kHeadDim == 128);
  static_assert(kQueries == 64 || kQueries == 128);
};

}  // namespace halftone::cuda::wmma
