// Ranks of scores within each row of a matrix.
#pragma once

#include <cstdint>

#include "halftone/patterns/topk_select.hpp"

namespace halftone::patterns {

/// [rows, columns]
using Ranks = Kokkos::View<std::int32_t**, Kokkos::LayoutRight, MemSpace>;

/// ranks(r, c) = number of columns before c in row r in descending order of `scores`, the lower index first among
/// equals, NaN last: the best one has rank 0. A merge sort of all rows at once, each element finding its own place:
/// O(columns log^2 columns) per row, memory 16 bytes per score.
Ranks rank_rows(const Scores& scores);

}  // namespace halftone::patterns
