// Sizes of the mma.sync forward kernel, all compile-time.
#pragma once

namespace halftone::cuda::wmma {

/// One thread block of four warps per tile of `kQueries` queries: 16 or 32 query rows per warp. With 32, each fragment
/// of K and V that a warp reads from shared memory serves two products; with 16 the tensor cores would need every
/// cycle of the shared memory's 128 bytes (a 64 x 128 tile of K: 16 KiB per warp for 64 KFMA of 256 per cycle).
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
