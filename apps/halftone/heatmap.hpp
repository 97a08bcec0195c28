// Pictures of attention: which blocks a mask keeps, and where the attention mass is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "canvas.hpp"

namespace halftone::app {

/// What became of one block of key positions for one tile of queries.
enum class Cell : std::uint8_t {
  future,    ///< no query of the tile sees it
  skipped,   ///< visible, not kept
  landmark,  ///< not kept, represented by its summary
  near,      ///< kept whatever the input: sink and local window
  partial,   ///< kept, a rule decides inside (diagonal, window edge, bits)
  full,      ///< kept, every pair counts
};

/// One grid of query tiles (down) and key blocks (across): either `cells` or `mass` is filled.
struct Panel {
  std::string title, note;
  std::int64_t seq_q = 0, seq_k = 0;
  int block_q = 0, block_k = 0;
  std::vector<Cell> cells;  ///< [tiles, blocks]
  std::vector<float> mass;  ///< [tiles, blocks] share of the tile's softmax, NaN: not visible; logarithmic colours

  int tiles() const { return static_cast<int>((seq_q + block_q - 1) / block_q); }
  int blocks() const { return static_cast<int>((seq_k + block_k - 1) / block_k); }
};

/// Panels side by side under one title, with a legend of the kinds and colours that occur.
struct Sheet {
  std::string title, note;
  int columns = 1;
  std::vector<Panel> panels;  ///< row by row; all of one grid
};

/// Draws the sheet; a single panel is about 1000 pixels wide.
Canvas draw(const Sheet& sheet);

}  // namespace halftone::app
