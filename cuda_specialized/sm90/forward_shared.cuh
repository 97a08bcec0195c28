// Shared memory of the Hopper forward kernel.
#pragma once

#include <cstdint>

#include "halftone/cuda_specialized/common/barrier.cuh"
#include "halftone/cuda_specialized/sm90/forward_config.hpp"

namespace halftone::cuda::sm90 {

/// Flags of a 64-key half of a step, besides BlockKind: how the consumers treat its columns.
enum StepFlag : std::int32_t {
  kStepAbsent = 32,    ///< no block here: nothing counts
  kStepLandmark = 64,  ///< columns are landmarks, with a bias
};

/// What the producer tells the consumers about one step.
struct Step {
  std::int32_t flags[2];  ///< BlockKind and StepFlag of each half; 0: every pair counts
  std::int32_t first[2];  ///< first key (or landmark) of each half
  std::int32_t bits[2];   ///< bit block of halves with kBlockBits
};

/// One query tile to attend.
struct Work {
  std::int32_t row;    ///< (batch * heads_q + head) * tiles + tile; -1: no more
  std::int32_t steps;  ///< K/V tiles, landmarks included
};

template <class Config>
struct SharedStorage {
  alignas(1024) std::uint8_t q[Config::kQueryStages][Config::kQueryBytes];
  alignas(1024) std::uint8_t k[Config::kStages][Config::kTileBytes];
  alignas(1024) std::uint8_t v[Config::kStages][Config::kTileBytes];
  Step step[Config::kStages];
  Work work[2];
  Barrier q_full[Config::kQueryStages], q_empty[Config::kQueryStages];
  Barrier k_full[Config::kStages], k_empty[Config::kStages];
  Barrier v_full[Config::kStages], v_empty[Config::kStages];
  Barrier work_full[2], work_empty[2];
};

/// A place in a ring and the phase of its barriers.
template <int kSize>
struct RingPlace {
  int index = 0;
  std::uint32_t phase = 0;

  __device__ void advance() {
    if (++index == kSize) {
      index = 0;
      phase ^= 1u;
    }
  }
};

}  // namespace halftone::cuda::sm90
