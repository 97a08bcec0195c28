// Shared memory of the Hopper forward kernel.
#pragma once

#include <cstdint>

#include "halftone/cuda_specialized/common/barrier.cuh"
#include "halftone/cuda_specialized/common/key_blocks.cuh"
#include "halftone/cuda_specialized/sm90/forward_config.hpp"

namespace halftone::cuda::sm90 {

/// One K/V tile of a row, for the consumers.
struct Step {
  KeyBlock half[2];
};

/// One query tile to attend.
struct Work : RowPlace {
  std::int32_t steps;  ///< K/V tiles, landmarks included; 0: no more work
  std::int32_t bias;   ///< row of the landmarks' biases
};

/// One step for the producer: what to load.
struct PlannedStep {
  enum Kind : std::int32_t { kKeys, kLandmarks, kEnd };
  Step step;
  Kind kind;
  std::int16_t work;             ///< place of its row in the ring of works
  bool first_of_row;             ///< load the row's queries, too
};

template <class Config>
struct SharedStorage {
  alignas(1024) std::uint8_t q[Config::kQueryStages][Config::kQueryBytes];
  alignas(1024) std::uint8_t k[Config::kKeyStages][Config::kTileBytes];
  alignas(1024) std::uint8_t v[Config::kValueStages][Config::kTileBytes];
  Step step[Config::kKeyStages];
  PlannedStep plan[Config::kPlanned];
  Work work[Config::kWorks];
  Barrier q_full[Config::kQueryStages], q_empty[Config::kQueryStages];
  Barrier k_full[Config::kKeyStages], k_empty[Config::kKeyStages];
  Barrier v_full[Config::kValueStages], v_empty[Config::kValueStages];
  Barrier plan_full[Config::kPlanned], plan_empty[Config::kPlanned];
  Barrier work_full[Config::kWorks], work_empty[Config::kWorks];
};

}  // namespace halftone::cuda::sm90
