// What one launch of the Hopper forward kernel gets.
#pragma once

#include <cuda.h>

#include <cstdint>

#include "halftone/core/attention_params.hpp"

namespace halftone::cuda::sm90 {

struct ForwardArgs {
  CUtensorMap q, k, v;                    ///< boxes of 128 queries, 64 keys
  CUtensorMap o;                          ///< boxes of 64 queries
  CUtensorMap landmark_key, landmark_value;
  AttentionParams params;
  const std::int32_t* order = nullptr;  ///< [rows beyond the first of each CTA] as order_rows says; null without a mask
  std::int32_t* next_row = nullptr;       ///< rows handed out beyond the first of each CTA; zero at launch
  bool store_tiles = false;               ///< the copy engine can write o
  std::int32_t tiles = 0;                 ///< query tiles per (batch, head)
  std::int32_t rows = 0;                  ///< batch * heads_q * tiles
  std::int32_t workers = 0;               ///< CTAs
};

}  // namespace halftone::cuda::sm90
