#include "halftone/patterns/halftone/checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "halftone/core/error.hpp"
#include "halftone/patterns/density.hpp"
#include "halftone/patterns/halftone/selection.hpp"

namespace halftone::patterns::detail {
namespace {

void require(bool ok, std::string_view what, std::string_view got, std::string_view expected) {
  if (!ok) throw InvalidArgument(what, got, expected);
}

std::string describe(const Tensor::Shape& s) { return fmt::format("[{}, {}, {}, {}]", s[0], s[1], s[2], s[3]); }

// The last start of a packed batch, that is the rows in all. `longest` is the geometry's length.
std::int64_t check_starts(const std::int32_t* starts, std::int32_t batch, std::int64_t longest, std::string_view name) {
  const Kokkos::View<const std::int32_t*, MemSpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>> view(starts, batch + 1);
  const auto host = Kokkos::create_mirror_view_and_copy(HostSpace{}, view);
  require(host(0) == 0, fmt::format("{}[0]", name), std::to_string(host(0)), "0");
  for (std::int32_t b = 0; b < batch; ++b) {
    const std::int64_t length = std::int64_t{host(b + 1)} - host(b);
    require(length >= 0 && length <= longest, fmt::format("{}: length of sequence {}", name, b), std::to_string(length),
            fmt::format("0 to {}, the geometry's length", longest));
  }
  return host(batch);
}

void check_tensor(const Tensor* tensor, const std::string& name, const Tensor::Shape& expected) {
  require(tensor != nullptr, name, "a null pointer", "a tensor");
  require(tensor->shape == expected, name + " shape", describe(tensor->shape), describe(expected));
}

}  // namespace

void check_geometry(const MaskGeometry& g) {
  require(g.batch > 0 && g.heads > 0, "geometry", fmt::format("batch {}, heads {}", g.batch, g.heads),
          "positive sizes");
  require(g.seq_q > 0, "query length", std::to_string(g.seq_q), "at least 1");
  require(g.seq_k > 0, "key length", std::to_string(g.seq_k), "at least 1");
  require(g.block_q > 0, "block_q", std::to_string(g.block_q), "a positive number");
  require(g.block_k > 0 && g.block_k % 64 == 0, "block_k", std::to_string(g.block_k), "a multiple of 64");
  require((g.cu_seqlens_q == nullptr) == (g.cu_seqlens_k == nullptr), "cu_seqlens", "one of two",
          "both for queries and keys, or neither");
}

void check_options(const HalftoneOptions& o, const MaskGeometry& g) {
  const int sizes[] = {1, 4, 8, 16, 32, 64};
  require(std::find(std::begin(sizes), std::end(sizes), o.micro_block) != std::end(sizes), "micro_block",
          std::to_string(o.micro_block), "1, 4, 8, 16, 32 or 64");
  require(o.representatives > 0 && g.block_q % o.representatives == 0, "representatives",
          std::to_string(o.representatives), fmt::format("a divisor of block_q = {}", g.block_q));
  require(o.moments >= 0 && o.moments <= 2, "moments", std::to_string(o.moments), "0, 1 or 2");
  require(o.sink_blocks >= 0, "sink_blocks", std::to_string(o.sink_blocks), "at least 0");
  require(o.local_blocks >= 0, "local_blocks", std::to_string(o.local_blocks), "at least 0");
}

void check_budget(const HalftoneOptions& o) {
  require((o.tolerance != 0.0) != (o.density != 0.0), "tolerance and density",
          fmt::format("{} and {}", o.tolerance, o.density), "exactly one of them, the other 0");
  require(o.tolerance == 0.0 || (o.tolerance > 0.0 && o.tolerance <= std::numeric_limits<float>::max()), "tolerance",
          fmt::format("{}", o.tolerance), "a positive number that float32 holds");
  require(o.density == 0.0 || (o.density > 0.0 && o.density <= 1.0), "density", fmt::format("{}", o.density),
          "more than 0 and at most 1");
  require(o.density > 0.0 || o.scope == ToleranceScope::call, "scope", "a part of the call beside a tolerance",
          "the call, or a density");
}

void check_reachable(const HalftoneOptions& o, const NearField& near) {
  if (o.density == 0.0) return;
  const auto visible = static_cast<double>(count_visible_blocks(near.geometry));
  const std::int64_t forced = count_forced_blocks(near);
  if (blocks_of_budget(o.density, visible) >= forced) return;
  const double least = std::ceil(static_cast<double>(forced) / visible * 1e6) / 1e6;
  throw UnreachableDensity(
      o.density, fmt::format("at least {:.6f}, what the sink blocks, the diagonal and the local blocks need", least),
      least, 1.0);
}

void check_layer(const HalftoneLayer& layer, const MaskGeometry& g, const std::string& name) {
  require(layer.q != nullptr, name + " q", "a null pointer", "a tensor");
  require(layer.k != nullptr, name + " k", "a null pointer", "a tensor");
  const bool packed = g.cu_seqlens_q != nullptr;
  const std::int64_t rows_q = packed ? check_starts(g.cu_seqlens_q, g.batch, g.seq_q, "cu_seqlens_q") : g.seq_q;
  const std::int64_t rows_k = packed ? check_starts(g.cu_seqlens_k, g.batch, g.seq_k, "cu_seqlens_k") : g.seq_k;
  const std::int64_t batch = packed ? 1 : g.batch, dim = layer.q->shape[3], heads_kv = layer.k->shape[1];
  require(dim > 0, name + " head dim", std::to_string(dim), "a positive number");
  require(heads_kv > 0 && g.heads % heads_kv == 0, name + " key-value heads", std::to_string(heads_kv),
          fmt::format("a divisor of the {} query heads", g.heads));
  check_tensor(layer.q, name + " q", {batch, g.heads, rows_q, dim});
  check_tensor(layer.k, name + " k", {batch, heads_kv, rows_k, dim});
  if (layer.v) check_tensor(layer.v, name + " v", {batch, heads_kv, rows_k, dim});
  for (const Tensor* other : {layer.k, layer.v})
    require(!other || other->dtype == layer.q->dtype, fmt::format("{} {} dtype", name, other == layer.k ? "k" : "v"),
            other ? name_of(other->dtype) : "", fmt::format("{} as q", name_of(layer.q->dtype)));

  require(std::isfinite(layer.scale), name + " scale", fmt::format("{}", layer.scale), "a finite number");
  require(layer.head_weight.empty() || layer.head_weight.size() == static_cast<std::size_t>(g.heads),
          name + " head_weight", fmt::format("{} values", layer.head_weight.size()),
          fmt::format("{} or none", g.heads));
  for (std::size_t h = 0; h < layer.head_weight.size(); ++h)
    require(std::isfinite(layer.head_weight[h]) && layer.head_weight[h] >= 0.0f,
            fmt::format("{} head_weight[{}]", name, h), fmt::format("{}", layer.head_weight[h]),
            "a finite number that is not negative");
  require(layer.gate.empty() || layer.gate.size() == static_cast<std::size_t>(g.heads), name + " gate",
          fmt::format("{} values", layer.gate.size()), fmt::format("{} or none", g.heads));
}

bool wants_landmarks(const HalftoneLayer& layer, const HalftoneOptions& options) {
  return options.landmarks &&
         (layer.gate.empty() || std::find(layer.gate.begin(), layer.gate.end(), true) != layer.gate.end());
}

}  // namespace halftone::patterns::detail
