// Reading a pattern's parameters from JSON, with defaults from its table entry, and recording what was used.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "halftone/patterns/pattern.hpp"

namespace halftone::patterns {

/// The parameters of one call. Every reader throws InvalidArgument naming pattern, parameter, value and what would be
/// right. Defaults are the table's; a default that depends on the request is passed by the pattern.
class Parameters {
 public:
  /// Throws InvalidArgument when `values` is not an object or holds a key the pattern does not know (listing those it
  /// knows).
  Parameters(const PatternInfo& pattern, const nlohmann::json& values);

  bool given(std::string_view name) const;
  /// As given, or the default.
  nlohmann::json value(std::string_view name) const;
  /// `default_scale` multiplies the table's default, for lengths counted in another unit.
  std::int64_t integer(std::string_view name, std::int64_t least, std::int64_t default_scale = 1);
  double real(std::string_view name, double least, double most, std::int64_t default_scale = 1);
  std::uint64_t seed(std::string_view name);
  bool flag(std::string_view name);
  std::string choice(std::string_view name, std::initializer_list<std::string_view> choices);

  /// Replaces the table's default of `name` for this call.
  void set_default(std::string_view name, nlohmann::json value);
  /// Records a value that was solved for.
  void record(std::string_view name, nlohmann::json value);
  /// Throws InvalidArgument: `name` has the value `got`.
  [[noreturn]] void reject(std::string_view name, const nlohmann::json& got, const std::string& expected) const;
  /// Throws InvalidArgument when `name` is given although the density decides it.
  void reject_beside_density(std::string_view name) const;

  std::string_view pattern() const { return pattern_.name; }
  /// The mask under the pattern's name with the parameters that were used.
  BlockMask label(BlockMask mask) const;

 private:
  nlohmann::json number(std::string_view name, std::int64_t default_scale) const;

  const PatternInfo& pattern_;
  nlohmann::json values_, defaults_, used_ = nlohmann::json::object();
};

}  // namespace halftone::patterns
