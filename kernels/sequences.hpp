// Lengths of the sequences of a call on tensors.
#pragma once

#include <cstdint>

#include "halftone/core/tensor.hpp"

namespace halftone {

/// Sequences of q [batch, heads, seq_q, dim] and k [batch, heads, seq_k, dim], or of packed ones.
struct Sequences {
  std::int32_t batch = 0;
  std::int64_t seq_q = 0, seq_k = 0;  ///< packed: the longest sequence's
  std::int64_t total_q = 0, total_k = 0;
  const std::int32_t *cu_seqlens_q = nullptr, *cu_seqlens_k = nullptr;
};

/// `starts_q` and `starts_k` [sequences + 1] or both empty: not packed. Throws InvalidArgument unless they rise from 0
/// to the tensors' rows, for packed tensors of batch 1.
Sequences describe_sequences(const Tensor& q, const Tensor& k, const Array<std::int32_t>& starts_q,
                             const Array<std::int32_t>& starts_k);

}  // namespace halftone
