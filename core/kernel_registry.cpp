#include "halftone/core/kernel_registry.hpp"

#include <fmt/format.h>

#include <cmath>

#include "halftone/core/error.hpp"

namespace halftone {

const KernelEntry& choose_kernel(std::span<const KernelEntry> table, const AttentionParams& params,
                                 std::string_view name) {
  std::string names, refusals;
  for (const KernelEntry& entry : table) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", entry.name);
    if (name != "auto" && name != entry.name) continue;
    const std::string refusal = entry.refusal(params);
    if (refusal.empty()) return entry;
    refusals += fmt::format("{}{}: {}", refusals.empty() ? "" : "; ", entry.name, refusal);
  }
  if (table.empty()) throw Unsupported("no kernel was built");
  if (refusals.empty()) throw InvalidArgument("kernel", name, "auto, " + names);
  throw Unsupported("no kernel serves the request: " + refusals);
}

namespace {

void require(bool ok, std::string_view what, std::string_view got, std::string_view expected) {
  if (!ok) throw InvalidArgument(what, got, expected);
}

}  // namespace

void validate(const AttentionParams& p) {
  require(p.q && p.k && p.v && p.o, "q, k, v, o", "a null pointer", "four tensors");
  require(p.batch > 0, "batch", std::to_string(p.batch), "a positive number");
  require(p.seq_q > 0, "query length", std::to_string(p.seq_q), "at least 1");
  require(p.seq_k > 0, "key length", std::to_string(p.seq_k), "at least 1");
  require(p.dim > 0, "head dim", std::to_string(p.dim), "a positive number");
  require(p.heads_kv > 0 && p.heads_q > 0 && p.heads_q % p.heads_kv == 0, "heads",
          fmt::format("{} query heads, {} key-value heads", p.heads_q, p.heads_kv),
          "query heads a multiple of key-value heads");
  require(std::isfinite(p.scale), "scale", std::to_string(p.scale), "a finite number");
  require((p.cu_seqlens_q == nullptr) == (p.cu_seqlens_k == nullptr), "cu_seqlens", "one of two",
          "both for queries and keys, or neither");
  if (p.mask.row_ptr) {
    const BlockMaskView& m = p.mask;
    require(m.block_q > 0 && m.block_k > 0 && m.block_k % 64 == 0, "mask blocks",
            fmt::format("{} x {}", m.block_q, m.block_k), "positive, block_k a multiple of 64");
    require(m.batch == 1 || m.batch == p.batch, "mask batch", std::to_string(m.batch), fmt::format("1 or {}", p.batch));
    require(m.heads > 0 && p.heads_q % m.heads == 0, "mask heads", std::to_string(m.heads),
            fmt::format("a divisor of {}", p.heads_q));
    const std::int64_t tiles = (p.seq_q + m.block_q - 1) / m.block_q, blocks = (p.seq_k + m.block_k - 1) / m.block_k;
    require(m.tiles == tiles && m.blocks == blocks, "mask size", fmt::format("{} tiles x {} blocks", m.tiles, m.blocks),
            fmt::format("{} x {} for {} queries and {} keys", tiles, blocks, p.seq_q, p.seq_k));
  }
  if (p.landmarks.key) {
    const LandmarkView& l = p.landmarks;
    require(l.value && l.bias, "landmarks", "a null pointer", "keys, values and bias");
    require(l.blocks > 0 && l.block_q > 0, "landmarks", fmt::format("{} blocks, tiles of {}", l.blocks, l.block_q),
            "positive numbers");
    const std::int64_t tiles = (p.seq_q + l.block_q - 1) / l.block_q;
    require(l.tiles == tiles, "landmark tiles", std::to_string(l.tiles), std::to_string(tiles));
  }
}

}  // namespace halftone
