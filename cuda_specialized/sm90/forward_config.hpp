// Sizes of the Hopper forward kernel, all compile-time.
#pragma once

#include <cstddef>

namespace halftone::cuda::sm90 {

/// One CTA: two consumer warpgroups of 64 query rows each, a planner warp and a producer warp.
template <int kHeadDim>
struct ForwardConfig {
  static constexpr int kDim = kHeadDim;
  static constexpr int kBlockM = 128;                        ///< queries per tile
  static constexpr int kBlockN = kHeadDim <= 128 ? 128 : 64; ///< keys per step: two selected 64-key blocks, or one
  static constexpr int kHalves = kBlockN / 64;
  static constexpr int kChunks = kHeadDim / 64;              ///< 128-byte wide pieces of a row
  static constexpr int kKeyStages = kHeadDim == 64 ? 4 : kHeadDim == 128 ? 3 : 2;  ///< K tiles in flight: what fits
  static constexpr int kValueStages = kHeadDim == 64 ? 4 : 2;                      ///< V tiles in flight
  static constexpr int kQueryStages = kHeadDim <= 128 ? 2 : 1;
  /// The turn at the tensor cores ends with the products rather than with their issue. At head dim 64 the exponentials
  /// take as long as the products: the warpgroups fall into step and compete for both units unless kept apart. At 256
  /// it spares the registers of a second set of weights.
  static constexpr bool kLateTurn = kHeadDim != 128;
  static constexpr int kPlanned = 4;                         ///< steps the planner may be ahead of the producer
  static constexpr int kWorks = 4;                           ///< rows the planner may be ahead of the consumers
  static constexpr int kConsumers = 2;
  static constexpr int kThreads = 128 * (kConsumers + 1);
  /// Of a thread, 64,512 in all, what the launch gives; [1]: with landmarks, whose planner needs more of them.
  static constexpr int kProducerRegisters[2] = {40, 56};
  static constexpr int kConsumerRegisters[2] = {kHeadDim == 256 ? 224 : 232, 224};

  static constexpr int kQueryBytes = kBlockM * kHeadDim * 2;
  static constexpr int kTileBytes = kBlockN * kHeadDim * 2;
  static_assert(kHeadDim == 64 || kHeadDim == 128 || kHeadDim == 256);
};

}  // namespace halftone::cuda::sm90
