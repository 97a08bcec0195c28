// What the halftone pattern refuses, and how it says so.
#pragma once

#include <string>

#include "halftone/patterns/halftone/halftone.hpp"
#include "halftone/patterns/halftone/near_field.hpp"

namespace halftone::patterns::detail {

/// Throw InvalidArgument when a setting is out of range, or contradicts the geometry.
void check_geometry(const MaskGeometry& geometry);
void check_options(const HalftoneOptions& options, const MaskGeometry& geometry);

/// Exactly one of tolerance and density must be set.
void check_budget(const HalftoneOptions& options);

/// Throws UnreachableDensity when the blocks that are always kept are more than the density allows.
void check_reachable(const HalftoneOptions& options, const NearField& near);

/// Throws InvalidArgument when a layer's tensors do not match the geometry, one another, or its weights and gates.
/// `name` starts the messages ("layer 3").
void check_layer(const HalftoneLayer& layer, const MaskGeometry& geometry, const std::string& name);

/// Whether the layer gets landmarks: asked for, and on for at least one head.
bool wants_landmarks(const HalftoneLayer& layer, const HalftoneOptions& options);

}  // namespace halftone::patterns::detail
