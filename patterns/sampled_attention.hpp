// Attention of a sample of a sequence's queries to all its keys, and where it goes.
#pragma once

#include "halftone/core/fast_math.hpp"
#include "halftone/patterns/dot.hpp"
#include "halftone/patterns/mask_builder.hpp"
#include "halftone/patterns/pooling.hpp"
#include "halftone/patterns/topk_select.hpp"

namespace halftone::patterns {

/// Softmax rows of mean queries over the keys that the last query of their run sees. Lists are pairs of sequence and
/// query head: batch * heads + head.
struct SampledAttention {
  MaskGeometry geometry;
  Runs runs;     ///< of queries, a sample each
  Rows queries;  ///< [batch, heads, samples, dim]
  Rows keys;     ///< [batch, heads_kv, >= seq_k, dim]
  float scale;
  Scores log_sum;  ///< [lists, samples]: logsumexp of the sample's logits

  /// Keys that a sample sees; 0 when its run is empty.
  HALFTONE_FUNCTION std::int64_t visible(std::int64_t list, std::int64_t sample) const {
    const std::int64_t b = list / geometry.heads, end = runs.end(geometry.len_q(b), sample);
    return end > runs.first(geometry.len_q(b), sample) ? geometry.visible_keys(b, end - 1) : 0;
  }

  /// Position on the key axis of the last query of a sample's run.
  HALFTONE_FUNCTION std::int64_t position(std::int64_t list, std::int64_t sample) const {
    const std::int64_t b = list / geometry.heads;
    return runs.end(geometry.len_q(b), sample) - 1 + geometry.len_k(b) - geometry.len_q(b);
  }

  HALFTONE_FUNCTION float logit(std::int64_t list, std::int64_t sample, std::int64_t key) const {
    const std::int64_t b = list / geometry.heads, head = list % geometry.heads;
    const std::int64_t kv = head / (geometry.heads / static_cast<std::int64_t>(keys.extent(1)));
    return scale * dot(&queries(b, head, sample, 0), &keys(b, kv, key, 0), static_cast<std::int64_t>(keys.extent(3)));
  }

  /// The softmax of the sample at a key that it sees.
  HALFTONE_FUNCTION float share(std::int64_t list, std::int64_t sample, std::int64_t key) const {
    return fast_exp(logit(list, sample, key) - log_sum(list, sample));
  }

  /// Sum of a sample's softmax over those keys of [first, end) that it sees.
  HALFTONE_FUNCTION float mass(std::int64_t list, std::int64_t sample, std::int64_t first, std::int64_t end) const {
    const std::int64_t seen = visible(list, sample);
    float sum = 0.0f;
    for (std::int64_t key = first < 0 ? 0 : first; key < end && key < seen; ++key) sum += share(list, sample, key);
    return sum;
  }
};

/// Needs q and k. O(heads samples N dim) time, O(heads_kv N dim) memory; nothing of size samples x N.
SampledAttention sample_attention(const PatternRequest& request, const Runs& runs);

/// mass(list, u) = sum over the samples of their softmax on keys u unit .. (u + 1) unit - 1; -1 where the sequence has
/// none of them. [lists, ceil(seq_k / unit)]. Time as for the sample itself.
Scores column_mass(const SampledAttention& attention, std::int64_t unit);

/// mass(list, o) = sum over the samples of their softmax on the keys whose unit is o - back units before that of the
/// sample's position, for o < diagonals. Time as for the sample itself.
Scores diagonal_mass(const SampledAttention& attention, std::int64_t unit, std::int64_t back, std::int64_t diagonals);

}  // namespace halftone::patterns
