// What a change of attention does to a model's predictions, token by token.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "halftone/eval/model/llama.hpp"

namespace halftone::eval {

/// One entry per predicted token.
struct TokenQuality {
  std::vector<float> reference_loss, loss;  ///< nats
  std::vector<float> kl;                    ///< KL(reference || changed) of the distributions over the next token, nats
  std::vector<std::uint8_t> agrees;         ///< 1 where both put the same token first

  std::size_t size() const { return loss.size(); }
};

/// Compares the predictions from final hidden states, [tokens, hidden_size] each: row i predicts targets[i].
/// Never holds more than a few million logits at once. Throws InvalidArgument on other shapes.
TokenQuality compare_tokens(const LlamaModel& model, const Matrix& reference, const Matrix& changed,
                            std::span<const std::int32_t> targets);

/// The token that each of `rows` of the hidden states puts first. Throws InvalidArgument: a row out of range.
std::vector<std::int32_t> predictions(const LlamaModel& model, const Matrix& hidden, std::span<const std::int64_t> rows);

}  // namespace halftone::eval
