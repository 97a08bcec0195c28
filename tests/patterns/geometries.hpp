// Geometries that patterns are tested on, with the sequence starts they point to.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "halftone/core/block_mask.hpp"

namespace halftone::testing {

/// One sequence's lengths.
struct Lengths {
  std::int64_t q, k;
};

/// A MaskGeometry, whose cu_seqlens are on the device, and what the host may read.
struct TestGeometry {
  std::string name;
  MaskGeometry geometry;
  std::vector<Lengths> lengths;  ///< per batch entry
  std::vector<std::int32_t> starts_q, starts_k;
  Array<std::int32_t> device_starts_q, device_starts_k;

  bool packed() const { return geometry.cu_seqlens_q != nullptr; }
  /// The geometry with cu_seqlens on the host, which lives as long as this.
  MaskGeometry on_host() const {
    MaskGeometry g = geometry;
    if (packed()) {
      g.cu_seqlens_q = starts_q.data();
      g.cu_seqlens_k = starts_k.data();
    }
    return g;
  }
};

inline Array<std::int32_t> device_starts(const std::vector<std::int32_t>& starts) {
  const HostArray<std::int32_t> host("starts", starts.size());
  std::copy(starts.begin(), starts.end(), host.data());
  return Kokkos::create_mirror_view_and_copy(MemSpace{}, host);
}

inline TestGeometry padded(std::string name, bool causal, Lengths length, int block_q, int block_k, int batch = 1,
                           int heads = 2) {
  TestGeometry t{std::move(name), {}, std::vector<Lengths>(batch, length), {}, {}, {}, {}};
  t.geometry = {batch, heads, length.q, length.k, block_q, block_k, causal};
  return t;
}

inline TestGeometry packed(std::string name, bool causal, const std::vector<Lengths>& lengths, int block_q, int block_k,
                           int heads = 2) {
  std::vector<std::int32_t> starts_q{0}, starts_k{0};
  Lengths longest{0, 0};
  for (const Lengths& l : lengths) {
    starts_q.push_back(starts_q.back() + static_cast<std::int32_t>(l.q));
    starts_k.push_back(starts_k.back() + static_cast<std::int32_t>(l.k));
    longest = {std::max(longest.q, l.q), std::max(longest.k, l.k)};
  }
  TestGeometry t{std::move(name), {}, lengths, starts_q, starts_k, device_starts(starts_q), device_starts(starts_k)};
  t.geometry = {static_cast<std::int32_t>(lengths.size()),
                heads,
                longest.q,
                longest.k,
                block_q,
                block_k,
                causal,
                t.device_starts_q.data(),
                t.device_starts_k.data()};
  return t;
}

/// Ragged everywhere, no size a multiple of another unless the name says so.
inline std::vector<TestGeometry> test_geometries() {
  return {padded("causal", true, {301, 301}, 128, 64),
          padded("aligned", true, {256, 256}, 64, 64),
          padded("wide key blocks, batch", true, {203, 331}, 64, 128, 2, 3),
          padded("more queries than keys", true, {331, 203}, 128, 64),
          padded("not causal", false, {277, 277}, 128, 64, 2),
          padded("not causal, more keys", false, {150, 390}, 64, 64),
          padded("not causal, more queries", false, {331, 203}, 64, 128),
          padded("tiles of 48, blocks of 192", true, {230, 500}, 48, 192),
          padded("one token", true, {1, 1}, 128, 64, 1, 1),
          padded("one query", true, {1, 700}, 128, 64),
          packed("packed", true, {{130, 130}, {1, 77}, {257, 300}}, 128, 64),
          packed("packed, not causal, one empty", false, {{90, 190}, {0, 30}, {201, 130}}, 64, 128)};
}

/// Six query heads, for three key-value heads; several sequences, of equal lengths and packed.
inline std::vector<TestGeometry> grouped_geometries() {
  return {padded("six heads, three of keys", true, {400, 400}, 64, 64, 2, 6),
          packed("packed, six heads, three of keys", true, {{130, 130}, {1, 77}, {257, 300}}, 64, 64, 6)};
}

}  // namespace halftone::testing
