// What one launch of the mma.sync forward kernel gets.
#pragma once

#include <cstdint>

#include "halftone/core/attention_params.hpp"

namespace halftone::cuda::wmma {

struct ForwardArgs {
  AttentionParams params;
  const std::int32_t* order = nullptr;  ///< [rows] as order_rows says; null without a mask
  std::int32_t tiles = 0;               ///< query tiles per (batch, head)
  std::int32_t rows = 0;                ///< batch * heads_q * tiles: thread blocks
  std::int32_t block_m = 0;             ///< queries per tile: 64 or 128
};

}  // namespace halftone::cuda::wmma
