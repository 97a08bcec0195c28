// Patterns made of patterns: union, intersection, and a mixture by head. The members' masks are merged pair by pair, so
// the element rule is the members' rules joined by or, by and, or chosen by head. Where a density is wanted, the
// members that leave theirs open get one density in common, the one with which the whole comes closest to it: within
// the usual tolerance, but for members such as strided whose columns move in steps as their density grows.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "halftone/patterns/density.hpp"
#include "halftone/patterns/entries.hpp"
#include "halftone/patterns/merge_masks.hpp"
#include "halftone/patterns/parameters.hpp"

namespace halftone::patterns {
namespace {

using nlohmann::json;

constexpr double kLowest = 1e-6;  // asks a member for the least it can do

constexpr ParameterInfo kPatterns = {
    "patterns", R"([{"name": "local"}, {"name": "dilated"}])",
    "list of members, each an object with its name, its parameters and, if it is to have one of its own, a density"};

struct Member {
  std::string name;
  json parameters;
  double density = 0.0;
  bool open = false;  ///< gets the common density

  BlockMask make(PatternRequest request, double common) const {
    request.density = open ? common : density;
    try {
      return make_mask(name, request, parameters);
    } catch (const UnreachableDensity& range) {
      if (!open) throw;
      request.density = std::clamp(common, range.least, range.most);
      return make_mask(name, request, parameters);
    }
  }
};

/// A member's density is open when nothing of what it was given decides it.
bool leaves_density_open(const PatternInfo& pattern, const json& parameters) {
  bool has_budget = false;
  for (const ParameterInfo& p : pattern.parameters) {
    if (!p.is_budget()) continue;
    if (parameters.contains(std::string(p.name))) return false;
    has_budget = true;
  }
  return has_budget;
}

std::vector<Member> read_members(Parameters& parameters) {
  const json list = parameters.value("patterns");
  const auto reject = [&](const json& got) {
    parameters.reject("patterns", got, R"(a list of objects like {"name": "local", "window": 4})");
  };
  if (!list.is_array() || list.empty()) reject(list);
  std::vector<Member> members;
  for (const json& item : list) {
    if (!item.is_object() || !item.contains("name") || !item.at("name").is_string()) reject(item);
    Member member{item.at("name"), item};
    member.parameters.erase("name");
    if (member.parameters.erase("density")) {
      const json& density = item.at("density");
      if (!density.is_number() || !(density.get<double>() > 0.0 && density.get<double>() <= 1.0))
        parameters.reject("patterns", item, "a density in (0, 1]");
      member.density = density;
    } else {
      for (const PatternInfo& pattern : pattern_table())
        if (pattern.name == member.name) member.open = leaves_density_open(pattern, member.parameters);
    }
    members.push_back(std::move(member));
  }
  return members;
}

struct Composition {
  Parameters& parameters;
  const PatternRequest& request;
  std::vector<Member> members;
  Merge merge;
  std::vector<int> member_of_head;

  std::vector<BlockMask> make_members(double density) const {
    std::vector<BlockMask> masks;
    for (const Member& member : members) masks.push_back(member.make(request, density));
    return masks;
  }

  BlockMask merged(std::span<const BlockMask> masks) const {
    return merge_masks(request.geometry, masks, merge, member_of_head);
  }

  BlockMask make() const {
    const bool any_open = std::any_of(members.begin(), members.end(), [](const Member& m) { return m.open; });
    double density = 0.0;
    if (request.density > 0.0 && any_open) {
      const std::int64_t visible = merged(make_members(kLowest)).visible;
      density = solve_budget(parameters.pattern(), request.density, visible, kLowest, 1.0,
                             [&](double d) { return merged(make_members(d)).kept(); });
    }
    const std::vector<BlockMask> masks = make_members(density);
    const BlockMask mask = merged(masks);
    if (!any_open) require_density(parameters.pattern(), request.density, mask);
    json used = json::array();
    for (const BlockMask& member : masks) {
      used.push_back(json::parse(member.parameters));
      used.back()["name"] = member.pattern;
    }
    parameters.record("patterns", used);
    return parameters.label(mask);
  }
};

template <const PatternInfo& pattern, Merge merge>
BlockMask make_composition(const PatternRequest& request, const json& values) {
  Parameters parameters(pattern, values);
  return Composition{parameters, request, read_members(parameters), merge, {}}.make();
}

BlockMask make_per_head(const PatternRequest& request, const json& values) {
  Parameters parameters(per_head_pattern, values);
  Composition composition{parameters, request, read_members(parameters), Merge::by_head, {}};
  const int count = static_cast<int>(composition.members.size()), heads = request.geometry.heads;
  const json list = parameters.value("heads");
  const auto is_member = [count](const json& x) {
    return x.is_number_integer() && x.get<std::int64_t>() >= 0 && x.get<std::int64_t>() < count;
  };
  if (list == "cyclic") {
    for (int head = 0; head < heads; ++head) composition.member_of_head.push_back(head % count);
  } else if (list.is_array() && list.size() == static_cast<std::size_t>(heads) &&
             std::all_of(list.begin(), list.end(), is_member)) {
    composition.member_of_head = list.get<std::vector<int>>();
  } else {
    parameters.reject("heads", list, fmt::format("cyclic, or {} numbers from 0 to {}", heads, count - 1));
  }
  parameters.record("heads", list);
  return composition.make();
}

constexpr ParameterInfo kComposed[] = {kPatterns};
constexpr ParameterInfo kPerHead[] = {
    kPatterns, {"heads", "cyclic", "cyclic: head h has member h mod members; or a list with the member of every head"}};
constexpr std::string_view kComplexity =
    "the members' (with a density some 20 times) and O(members N^2 / (block_q block_k)) time, the members' memory";

}  // namespace

const PatternInfo union_pattern = {"union",
                                   "what any of several patterns keeps",
                                   "composition, as in Sparse Transformer (merged heads), Child et al. 2019",
                                   kComplexity,
                                   false,
                                   kComposed,
                                   make_composition<union_pattern, Merge::unite>};

const PatternInfo intersection_pattern = {"intersection",
                                          "what all of several patterns keep",
                                          "composition",
                                          kComplexity,
                                          false,
                                          kComposed,
                                          make_composition<intersection_pattern, Merge::intersect>};

const PatternInfo per_head_pattern = {"per_head",
                                      "different patterns in different heads",
                                      "composition, as in Sparse Transformer, Child et al. 2019; MInference 2024",
                                      kComplexity,
                                      false,
                                      kPerHead,
                                      make_per_head};

}  // namespace halftone::patterns
