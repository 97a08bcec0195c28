// Choosing among the implementations of the halftone selection: an explicit table, as for attention kernels.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "halftone/patterns/halftone/halftone.hpp"

namespace halftone {

/// One implementation of the selection of one layer.
struct SelectionEntry {
  std::string_view name;
  std::string_view description;
  /// Why it cannot serve the request; empty when it can.
  std::string (*refusal)(const patterns::HalftoneLayer&, const MaskGeometry&, const patterns::HalftoneOptions&);
  patterns::HalftoneResult (*run)(const patterns::HalftoneLayer&, const MaskGeometry&,
                                  const patterns::HalftoneOptions&);
};

/// The selections of this build, in order of preference: "cuda" on device memory, "kokkos" everywhere.
std::span<const SelectionEntry> selection_table();

/// The first entry that serves the request, or the one called `name` unless that is "auto". Throws InvalidArgument for
/// an unknown name, Unsupported with each candidate's refusal when none fits.
const SelectionEntry& choose_selection(const patterns::HalftoneLayer& layer, const MaskGeometry& geometry,
                                       const patterns::HalftoneOptions& options, std::string_view name = "auto");

}  // namespace halftone
