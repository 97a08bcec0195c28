// Heatmap panels from masks and activations.
#pragma once

#include <cstdint>
#include <vector>

#include "halftone/core/block_mask.hpp"
#include "heatmap.hpp"
#include "inputs.hpp"
#include "selection.hpp"

namespace halftone::app {

/// Geometry of the first sequence of activations by itself: batch 1, not packed; for pictures.
MaskGeometry first_sequence(const Activations& activations, const Layer& layer);

/// What the selection keeps for one query head of the first sequence; notes the head's density.
/// `sequence`: its geometry by itself (batch 1, not packed), heads = query heads.
Panel mask_panel(const LayerSelection& selection, const MaskGeometry& sequence, int head);

/// Where the dense attention of one query head of the first sequence is.
Panel mass_panel(const Layer& layer, const AttentionResult& dense, const MaskGeometry& sequence, int head);

}  // namespace halftone::app
