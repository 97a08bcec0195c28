// The patterns that the demo compares, and what came of them.
#pragma once

#include <string>
#include <vector>

#include "halftone/core/io/bench_file.hpp"
#include "progress.hpp"
#include "results.hpp"
#include "selection.hpp"

namespace halftone::app {

/// Dense attention of every layer: the reference, and the time to beat.
struct DenseRun {
  std::vector<TimedAttention> layers;

  double seconds() const;
};

/// One pattern over all layers.
struct PatternRun {
  std::string label;  ///< for people
  Selection selection;
  std::vector<TimedAttention> layers;
  std::vector<Quality> quality;  ///< per layer

  eval::SquaredError error() const;     ///< over all layers and heads
  double mass() const;            ///< captured attention mass, mean over layers and heads
  double far_mass() const;        ///< mean over layers and heads; 0 without landmarks
  double attend_seconds() const;  ///< best run of each layer, summed
  double seconds() const { return selection.seconds + attend_seconds(); }
};

DenseRun run_dense(const Activations& activations, Progress& progress);

/// Selects and attends (the best of two times each) and compares with dense attention.
PatternRun run_pattern(const std::string& label, const PatternChoice& choice, const Activations& activations,
                       const DenseRun& dense, Progress& progress);

/// The comparison for people.
std::string comparison_table(const Activations& activations, const DenseRun& dense,
                             const std::vector<PatternRun>& runs);

/// The comparison as a bench file: one row per pattern, dense first, with the raw times.
io::BenchFile comparison_file(const Activations& activations, const DenseRun& dense,
                              const std::vector<PatternRun>& runs);

}  // namespace halftone::app
