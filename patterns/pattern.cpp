#include "halftone/patterns/pattern.hpp"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "halftone/core/error.hpp"
#include "halftone/patterns/entries.hpp"

namespace halftone::patterns {
namespace {

void require(bool ok, std::string_view what, std::string_view got, std::string_view expected) {
  if (!ok) throw InvalidArgument(what, got, expected);
}

/// Sequence starts must not fall, and no sequence may be longer than the geometry says. Returns the rows they need.
std::int64_t check_packing(std::string_view name, const std::int32_t* starts, std::int64_t batch,
                           std::int64_t longest) {
  const Kokkos::View<const std::int32_t*, MemSpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>> device(starts, batch + 1);
  const auto host = Kokkos::create_mirror_view_and_copy(HostSpace{}, device);
  require(host(0) >= 0, fmt::format("{}[0]", name), std::to_string(host(0)), "at least 0");
  for (std::int64_t b = 0; b < batch; ++b) {
    const std::int64_t length = std::int64_t{host(b + 1)} - host(b);
    require(length >= 0 && length <= longest, fmt::format("{}[{}]", name, b + 1), std::to_string(host(b + 1)),
            fmt::format("{} to {}, for sequences of at most {}", host(b), host(b) + longest, longest));
  }
  return host(batch);
}

void check(const PatternInfo& pattern, const PatternRequest& request) {
  const MaskGeometry& g = request.geometry;
  require(g.batch > 0 && g.heads > 0, "mask geometry", fmt::format("batch {}, heads {}", g.batch, g.heads),
          "positive numbers");
  require(g.seq_q > 0, "query length", std::to_string(g.seq_q), "at least 1");
  require(g.seq_k > 0, "key length", std::to_string(g.seq_k), "at least 1");
  require(g.block_q > 0 && g.block_k > 0 && g.block_k % 64 == 0, "mask blocks",
          fmt::format("{} x {}", g.block_q, g.block_k), "positive, block_k a multiple of 64");
  require((g.cu_seqlens_q == nullptr) == (g.cu_seqlens_k == nullptr), "cu_seqlens", "one of two",
          "both for queries and keys, or neither");
  require(request.density == 0.0 || (request.density > 0.0 && request.density <= 1.0), "density",
          fmt::format("{}", request.density), "a number in (0, 1], or 0 to leave it to the parameters");
  std::int64_t batch = g.batch, rows_q = g.seq_q, rows_k = g.seq_k;
  if (g.cu_seqlens_q) {
    rows_q = check_packing("cu_seqlens_q", g.cu_seqlens_q, batch, g.seq_q);
    rows_k = check_packing("cu_seqlens_k", g.cu_seqlens_k, batch, g.seq_k);
    batch = 1;
  }
  if (!pattern.needs_activations) return;

  require(request.q && request.k, fmt::format("activations of pattern {}", pattern.name), "none", "queries and keys");
  const auto shape = [](const Tensor& t) { return fmt::format("[{}]", fmt::join(t.shape, ", ")); };
  const Tensor::Shape &q = request.q->shape, &k = request.k->shape;
  require(q[0] == batch && q[1] == g.heads && q[2] >= rows_q && (g.cu_seqlens_q || q[2] == rows_q) && q[3] > 0,
          "queries", shape(*request.q), fmt::format("[{}, {}, {}, head dim]", batch, g.heads, rows_q));
  require(k[0] == batch && k[1] > 0 && g.heads % k[1] == 0 && k[2] >= rows_k && (g.cu_seqlens_k || k[2] == rows_k) &&
              k[3] == q[3],
          "keys", shape(*request.k), fmt::format("[{}, a divisor of {}, {}, {}]", batch, g.heads, rows_k, q[3]));
}

}  // namespace

std::span<const PatternInfo> pattern_table() {
  static const std::array table = {
      dense_pattern,          causal_pattern,       local_pattern,      dilated_pattern,  strided_pattern,
      fixed_pattern,          hierarchical_pattern, longformer_pattern, landmark_pattern, landmark_adaptive_pattern,
      bigbird_pattern,        random_pattern,       mean_topk_pattern,  minmax_pattern,   antidiagonal_pattern,
      vertical_slash_pattern, lsh_pattern,          routing_pattern,    halftone_pattern, union_pattern,
      intersection_pattern,   per_head_pattern};
  return table;
}

BlockMask make_mask(std::string_view name, const PatternRequest& request, const nlohmann::json& parameters) {
  std::string names;
  for (const PatternInfo& pattern : pattern_table()) {
    if (pattern.name == name) {
      check(pattern, request);
      return pattern.make(request, parameters);
    }
    names += fmt::format("{}{}", names.empty() ? "" : ", ", pattern.name);
  }
  throw InvalidArgument("pattern", name, "one of " + names);
}

BlockMask make_mask(std::string_view name, const PatternRequest& request) {
  return make_mask(name, request, nlohmann::json::object());
}

}  // namespace halftone::patterns
