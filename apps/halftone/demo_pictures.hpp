// The demo's pictures.
#pragma once

#include <vector>

#include "contestants.hpp"
#include "heatmap.hpp"

namespace halftone::app {

/// True attention beside the blocks that were kept, for one head: that which reaches farthest, of all layers (where the
/// local window `local` catches the least attention mass).
Sheet caught_sheet(const Activations& activations, const DenseRun& dense, const PatternRun& run, const PatternRun& local);

/// The same for every head of every layer.
Sheet heads_sheet(const Activations& activations, const DenseRun& dense, const PatternRun& run);

/// True attention beside the blocks of every pattern; a row for each layer's farthest-reaching head.
Sheet patterns_sheet(const Activations& activations, const DenseRun& dense, const std::vector<PatternRun>& runs,
                     const PatternRun& local);

}  // namespace halftone::app
