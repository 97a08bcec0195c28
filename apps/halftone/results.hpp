// Attention results as the files hold them, and their quality.
#pragma once

#include <vector>

#include "halftone/core/io/attention_file.hpp"
#include "halftone/eval/quality/attention_quality.hpp"
#include "selection.hpp"

namespace halftone::app {

/// A sparse result against the dense one.
struct Quality {
  std::vector<eval::SquaredError> errors;  ///< [heads]
  std::vector<double> mass;          ///< [heads] captured attention mass
  eval::SquaredError total;

  double mean_mass() const;
};

Quality compare(const AttentionResult& sparse, const AttentionResult& dense);

io::AttentionLayer to_file(const Layer& layer, const LayerSelection& selection, const TimedAttention& timed);
/// Adds relative_l2 and captured_mass, [heads] each.
void add_errors(io::AttentionLayer& layer, const Quality& quality);

}  // namespace halftone::app
