// Runs of consecutive rows of activations, reduced to one row each.
#pragma once

#include "halftone/core/tensor.hpp"
#include "halftone/patterns/pattern.hpp"

namespace halftone::patterns {

/// [batch, heads, runs, dim]
using Rows = Kokkos::View<float****, Kokkos::LayoutRight, MemSpace>;

/// Every sequence's rows in runs of `rows`: the first `count` runs of it, or (from_end) of its last rows * count rows.
struct Runs {
  std::int64_t rows, count;
  bool from_end = false;

  /// First row of a run in a sequence of `length` rows; runs that begin at its end or behind it are empty.
  HALFTONE_FUNCTION std::int64_t first(std::int64_t length, std::int64_t run) const {
    const std::int64_t skipped = from_end && length > rows * count ? length - rows * count : 0;
    return skipped + run * rows;
  }
  HALFTONE_FUNCTION std::int64_t end(std::int64_t length, std::int64_t run) const {
    const std::int64_t end = first(length, run) + rows;
    return end < length ? end : length;
  }
};

enum class Pooling { mean, least, most };

/// Mean, minimum or maximum of every run, dimension by dimension; 0 where a run is empty. `tensor` is
/// [batch, heads, seq, dim], or [1, heads, total, dim] with cu_seqlens [batch + 1]. Runs of one row convert to float.
Rows pooled(const Tensor& tensor, const std::int32_t* cu_seqlens, std::int64_t batch, const Runs& runs,
            Pooling pooling = Pooling::mean);

/// A request's queries and keys, `rows` of them in a run, a divisor of the tile or block; runs end with those:
/// [batch, heads, tiles * block_q / rows, dim] and [batch, heads_kv, blocks * block_k / rows, dim].
Rows pooled_queries(const PatternRequest& request, std::int64_t rows);
Rows pooled_keys(const PatternRequest& request, std::int64_t rows, Pooling pooling = Pooling::mean);

/// The request's scale of logits.
float attention_scale(const PatternRequest& request);

}  // namespace halftone::patterns
