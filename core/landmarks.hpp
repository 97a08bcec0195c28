// Landmarks that own their memory.
#pragma once

#include "halftone/core/kokkos_compat.hpp"
#include "halftone/core/tensor.hpp"

namespace halftone {

/// Block summaries for the far field and the bias rows that gate them; fields as in LandmarkView.
struct Landmarks {
  Tensor key;            ///< [batch, heads_kv, blocks, dim]
  Tensor value;          ///< [batch, heads_kv, blocks, dim]
  Array<float> bias;     ///< [batch, heads_q, tiles, blocks]
  std::int32_t tiles = 0, block_q = 0;

  LandmarkView view() const {
    LandmarkView v;
    v.key = key.data();
    v.value = value.data();
    v.bias = bias.data();
    v.blocks = static_cast<std::int32_t>(key.shape[2]);
    v.tiles = tiles;
    v.block_q = block_q;
    return v;
  }
};

}  // namespace halftone
