// Choosing blocks for the layers of a call, and running attention on them.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "halftone/core/block_mask.hpp"
#include "halftone/core/io/calibration_file.hpp"
#include "halftone/core/landmarks.hpp"
#include "halftone/kernels/attention.hpp"
#include "inputs.hpp"

namespace halftone::app {

/// Which pattern makes the masks.
struct PatternChoice {
  std::string name;
  nlohmann::json parameters = nlohmann::json::object();
  double density = 0.0;  ///< 0: as the parameters say
  std::uint64_t seed = 0;
  bool landmarks = false;  ///< halftone: what is left out is represented by block summaries
  std::optional<io::CalibrationFile> calibration = std::nullopt;  ///< halftone: weights, gates, tolerance of the model
};

/// One layer's kept blocks, and its far field where the pattern has one.
struct LayerSelection {
  BlockMask mask;
  std::optional<Landmarks> landmarks;
};

struct Selection {
  std::vector<LayerSelection> layers;
  double seconds = 0.0;    ///< time of the selection
  double tolerance = 0.0;  ///< halftone: the one that was applied

  double density() const;  ///< over all layers
};

/// Masks for all layers. Halftone selects over the layers jointly, under one tolerance, with their head weights; every
/// other pattern is applied to each layer at the same density. With a calibration, its weights take the place of those
/// of the activations, its gates apply to landmarks, and its tolerance holds where neither a density nor a tolerance is
/// asked for; settings in `parameters` come before its own. Throws as the patterns do, and InvalidArgument for a
/// calibration of a model of other sizes.
Selection select_blocks(const Activations& activations, const PatternChoice& choice);

/// Attention of one layer over the selection, or dense without one, and the best time of `repeats` runs.
struct TimedAttention {
  AttentionResult result;
  std::vector<double> seconds;  ///< of every run

  double best() const;
};
TimedAttention attend(const Activations& activations, const Layer& layer, const LayerSelection* selection,
                      const std::string& kernel = "auto", int repeats = 1);

}  // namespace halftone::app
