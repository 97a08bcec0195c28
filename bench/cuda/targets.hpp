// Which rows the table has; no CUDA.
#pragma once

#include <string>
#include <vector>

#include "masks.hpp"
#include "options.hpp"
#include "shape.hpp"

namespace halftone::bench {

struct SparseTarget {
  enum Kind { even, uneven, given };

  Kind kind = even;
  double density = 0.0;               ///< asked for
  bool landmarks = false;             ///< what is left out is represented by the means of its blocks
  const NamedMask* source = nullptr;  ///< the mask of kind given; of the even one beside it too

  std::string name() const;
};

/// Rows that share their dense measurements.
struct Target {
  Shape shape;
  bool causal = false;
  std::vector<SparseTarget> masks;

  /// "dim128 causal 8192 heads 16/16".
  std::string name() const;
  MaskArrays mask(const SparseTarget& sparse) const;
  /// The even mask of the same density as a mask of another kind or with landmarks: its place in `masks`, or -1.
  int even_beside(const SparseTarget& sparse) const;
};

/// The rows whose names match options.filter: those of the performance targets, then the given masks, each with an even
/// one of the same density beside it. `given` must outlive them.
std::vector<Target> targets_of(const Options& options, const std::vector<NamedMask>& given);

}  // namespace halftone::bench
