// The oracle: plain single-thread attention with double accumulation, on host memory.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "halftone/core/attention_params.hpp"

namespace halftone::reference {

/// Element rule: whether query `query` of query head `head` in sequence `batch` may attend key `key`; positions count
/// from the sequence's start. Causality and the ends of sequences hold besides.
using ElementRule = std::function<bool(std::int64_t batch, std::int64_t head, std::int64_t query, std::int64_t key)>;

/// Attention by the definition in AttentionParams, one query at a time: scores, softmax and output in double, rounded
/// once to the output type. All pointers in host memory. Time O(N^2 D), memory O(N).
/// The block mask and landmarks of `params` count; with `rule`, so does the rule.
void attention(const AttentionParams& params, const ElementRule& rule = nullptr);

/// For kernel_table(): why the reference cannot run here; it reads host memory only.
std::string refusal(const AttentionParams& params);

}  // namespace halftone::reference
