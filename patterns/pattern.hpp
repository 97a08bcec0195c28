// What every pattern shares: the request, the table of generators, and making a mask by name.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>

#include "halftone/core/block_mask.hpp"
#include "halftone/core/tensor.hpp"

namespace halftone::patterns {

/// What a pattern is made for. Activations matter only to patterns that look at them.
struct PatternRequest {
  MaskGeometry geometry;      ///< heads = query heads
  const Tensor* q = nullptr;  ///< [batch, heads_q, seq_q, dim] or null
  const Tensor* k = nullptr;  ///< [batch, heads_kv, seq_k, dim] or null
  float scale = 0.0f;         ///< 0: 1 / sqrt(dim)
  double density = 0.0;       ///< wanted share of the visible blocks in (0, 1]; 0: as the parameters say
  std::uint64_t seed = 0;     ///< for random patterns
};

/// A parameter of a pattern. The description of one that decides the density, and is solved for where one is wanted,
/// begins with "budget".
struct ParameterInfo {
  std::string_view name, default_value, description;

  constexpr bool is_budget() const { return description.starts_with("budget"); }
};

/// One generator of block masks.
struct PatternInfo {
  std::string_view name;
  std::string_view summary;     ///< one line
  std::string_view source;      ///< paper or formula
  std::string_view complexity;  ///< time and memory to generate
  bool needs_activations;
  std::span<const ParameterInfo> parameters;
  BlockMask (*make)(const PatternRequest&, const nlohmann::json& parameters);
};

/// Every pattern of the library.
std::span<const PatternInfo> pattern_table();

/// The mask of pattern `name`. `parameters` is a JSON object of values from the pattern's ParameterInfo. With
/// request.density the pattern's budget parameter is solved for, so that the realised density meets it.
/// Throws InvalidArgument: unknown pattern or parameter (the message lists the known ones), density outside (0, 1] or
/// unreachable, missing activations.
BlockMask make_mask(std::string_view name, const PatternRequest& request, const nlohmann::json& parameters);
BlockMask make_mask(std::string_view name, const PatternRequest& request);

}  // namespace halftone::patterns
