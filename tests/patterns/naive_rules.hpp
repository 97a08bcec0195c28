// The patterns' definitions written down a second time, slowly, from the papers and the documented dithering.
#pragma once

#include <cmath>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "halftone/patterns/random_order.hpp"

namespace halftone::testing {

/// rule(head, i, j, n) on rows and columns of blocks or of single positions.
using NaiveRule = std::function<bool(long, long, long, long)>;

inline double naive_dither(long index, long lane) {
  const double x = std::fmod((index + 1.0) * 2654435769.0 + lane * 3242174889.0, 4294967296.0) / 4294967296.0;
  return x < 0.0 ? x + 1.0 : x;
}

/// What a real-valued count is worth in one row.
inline long naive_count(double value, long step, long origin, long index, long lane = 0) {
  if (value == std::floor(value)) return static_cast<long>(value);
  const double steps = (value - origin) / step;
  return origin + step * static_cast<long>(std::floor(steps) + (naive_dither(index, lane) < steps - std::floor(steps)));
}

inline long floored(long a, long b) { return static_cast<long>(std::floor(static_cast<double>(a) / b)); }

/// `block` is the number of the rule's units in a key block: 1, or block_k for rules on elements. `p` holds every
/// parameter of the pattern.
inline NaiveRule naive_rule(const std::string& pattern, const nlohmann::json& p, long block, bool causal) {
  if (pattern == "dense") return [](long, long, long, long) { return true; };
  if (pattern == "causal") return [](long, long i, long j, long) { return j <= i; };
  const auto window = [=](long i) { return naive_count(p.at("window").get<double>(), block, 1, floored(i, block)); };
  const long leading = p.value("sink_blocks", p.value("global_blocks", 0)) * block;
  if (pattern == "local")
    return [=](long, long i, long j, long) { return j < leading || std::labs(i - j) < window(i); };
  if (pattern == "longformer")
    return [=](long, long i, long j, long) { return i < leading || j < leading || std::labs(i - j) < window(i); };
  if (pattern == "strided")
    return [=, stride = p.at("stride").get<long>()](long, long i, long j, long) {
      return j < leading || std::labs(i - j) < window(i) || std::labs(i - j) % stride == 0;
    };
  if (pattern == "dilated")
    return [=, dilation = p.at("dilation").get<long>()](long, long i, long j, long) {
      return j < leading || (std::labs(i - j) % dilation == 0 && std::labs(i - j) / dilation < window(i));
    };
  if (pattern == "landmark")
    return [=, stride = p.at("stride").get<long>()](long, long i, long j, long) {
      return j < leading || std::labs(i - j) < window(i) || (j + 1) % stride == 0;
    };
  if (pattern == "hierarchical")
    return [=](long, long i, long j, long) {
      const long distance = std::labs(i - j);
      if (j < leading || distance < window(i)) return true;
      const long level = 1 + static_cast<long>(std::floor(std::log2(static_cast<double>(distance) / window(i))));
      return (j + 1) % (1L << level) == 0;
    };
  if (pattern == "fixed")
    return
        [=, stride = p.at("stride").get<long>(), summary = p.at("summary").get<double>()](long, long i, long j, long) {
          const long ends = naive_count(summary, block, 0, floored(i, block), j / stride);
          return j < leading || floored(i, stride) == j / stride || stride - j % stride <= ends;
        };
  // BigBird: the random columns are the first ones, in a random order, of those that nothing else allows.
  const double random = p.at("random");
  const std::uint64_t seed = p.at("seed");
  using Row = std::tuple<long, long, long>;
  const auto rows = std::make_shared<std::map<Row, std::vector<bool>>>();
  return [=](long head, long i, long j, long n) {
    const auto [row, is_new] = rows->try_emplace({head, i, n}, n, true);
    if (is_new) {
      std::vector<long> candidates;
      for (long c = 0; c < n; ++c)
        if (!(i < leading || c < leading || std::labs(i - c) < window(i))) {
          row->second[c] = false;
          if (!causal || c <= i) candidates.push_back(c);
        }
      const patterns::RandomOrder order(seed, head, i, candidates.size());
      for (std::size_t rank = 0; rank < candidates.size(); ++rank)
        row->second[candidates[rank]] = order.position(rank) < naive_count(random, 1, 0, i, head);
    }
    return bool{row->second[j]};
  };
}

}  // namespace halftone::testing
