#include "halftone/patterns/parameters.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "halftone/core/error.hpp"

namespace halftone::patterns {

using nlohmann::json;

Parameters::Parameters(const PatternInfo& pattern, const json& values) : pattern_(pattern), values_(values) {
  if (!values.is_object())
    throw InvalidArgument(fmt::format("parameters of pattern {}", pattern.name), values.dump(), "a JSON object");
  std::vector<std::string_view> known;
  for (const ParameterInfo& p : pattern.parameters) {
    known.push_back(p.name);
    const json number = json::parse(p.default_value, nullptr, false);
    defaults_[std::string(p.name)] = number.is_discarded() ? json(p.default_value) : number;
  }
  for (const auto& item : values.items())
    if (std::find(known.begin(), known.end(), item.key()) == known.end())
      throw InvalidArgument(fmt::format("parameter of pattern {}", pattern.name), item.key(),
                            known.empty() ? "none" : fmt::format("one of {}", fmt::join(known, ", ")));
}

bool Parameters::given(std::string_view name) const { return values_.contains(std::string(name)); }

json Parameters::value(std::string_view name) const {
  return (given(name) ? values_ : defaults_).at(std::string(name));
}

void Parameters::reject(std::string_view name, const json& got, const std::string& expected) const {
  throw InvalidArgument(fmt::format("parameter {} of pattern {}", name, pattern_.name), got.dump(), expected);
}

json Parameters::number(std::string_view name, std::int64_t default_scale) const {
  const json got = value(name);
  if (given(name) || default_scale == 1) return got;
  return got.is_number_float() ? json(got.get<double>() * static_cast<double>(default_scale))
                               : json(got.get<std::int64_t>() * default_scale);
}

std::int64_t Parameters::integer(std::string_view name, std::int64_t least, std::int64_t default_scale) {
  const json got = number(name, default_scale);
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  const double x = got.is_number() ? got.get<double>() : std::nan("");
  if (!(x >= static_cast<double>(least) && x <= static_cast<double>(most) && std::floor(x) == x))
    reject(name, got, fmt::format("a whole number of at least {}", least));
  const auto result = static_cast<std::int64_t>(x);
  record(name, result);
  return result;
}

double Parameters::real(std::string_view name, double least, double most, std::int64_t default_scale) {
  const json got = number(name, default_scale);
  const double x = got.is_number() ? got.get<double>() : std::nan("");
  if (!(x >= least && x <= most)) reject(name, got, fmt::format("a number from {} to {}", least, most));
  record(name, got);
  return x;
}

std::uint64_t Parameters::seed(std::string_view name) {
  const json got = value(name);
  if (!got.is_number_unsigned() && !(got.is_number_integer() && got.get<std::int64_t>() >= 0))
    reject(name, got, "a whole number from 0 to 2^64 - 1");
  record(name, got);
  return got.get<std::uint64_t>();
}

bool Parameters::flag(std::string_view name) {
  const json got = value(name);
  if (!got.is_boolean()) reject(name, got, "true or false");
  record(name, got);
  return got;
}

std::string Parameters::choice(std::string_view name, std::initializer_list<std::string_view> choices) {
  const json got = value(name);
  if (!got.is_string() || std::find(choices.begin(), choices.end(), got.get<std::string>()) == choices.end())
    reject(name, got, fmt::format("one of {}", fmt::join(choices, ", ")));
  record(name, got);
  return got;
}

void Parameters::set_default(std::string_view name, json value) { defaults_[std::string(name)] = std::move(value); }

void Parameters::record(std::string_view name, json value) { used_[std::string(name)] = std::move(value); }

void Parameters::reject_beside_density(std::string_view name) const {
  if (given(name)) reject(name, value(name), "no value beside a density, which decides it");
}

BlockMask Parameters::label(BlockMask mask) const {
  mask.pattern = pattern_.name;
  mask.parameters = used_.dump();
  return mask;
}

}  // namespace halftone::patterns
