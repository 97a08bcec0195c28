// The forward pass of a Llama-style decoder: RMSNorm, rotary positions, grouped-query attention, SwiGLU.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "halftone/core/io/model_file.hpp"
#include "halftone/core/tensor.hpp"
#include "halftone/eval/model/matrix.hpp"

namespace halftone::eval {

struct RotaryTable;

/// Attention of one layer, called once per layer, in order: q [1, heads, seq, dim] and k [1, kv_heads, seq, dim] after
/// the rotation, v [1, kv_heads, seq, dim], all float32; returns the output, of q's shape and type.
/// A hook that wants to look only calls dense_attention for the answer.
using AttentionHook = std::function<Tensor(int layer, const Tensor& q, const Tensor& k, const Tensor& v)>;

/// The default hook: dense causal attention, scale 1 / sqrt(dim).
Tensor dense_attention(int layer, const Tensor& q, const Tensor& k, const Tensor& v);

/// A decoder with its weights on the device, in float32.
class LlamaModel {
 public:
  /// Copies the weights. Throws InvalidArgument: sizes that are not positive, num_heads not a multiple of num_kv_heads,
  /// an odd head_dim, a parameter missing or of another shape (named).
  explicit LlamaModel(const io::ModelFile& file);

  const io::ModelSizes& sizes() const { return sizes_; }

  /// Hidden states after the final norm, [tokens, hidden_size], of one document. Only the first `num_layers` layers run
  /// (-1: all), for callers that want what an early hook sees.
  /// Throws InvalidArgument: no token, an id outside the vocabulary, a hook's result of another shape or type.
  Matrix forward(std::span<const std::int32_t> tokens, const AttentionHook& attention = dense_attention,
                 int num_layers = -1) const;

  /// Logits [rows, vocab_size] of hidden states [rows, hidden_size].
  Matrix logits(const Matrix& hidden) const;

  /// Loss of tokens 1 .. n-1 given those before each, in nats, [n - 1]; the attention sees n - 1 tokens.
  /// Never holds more than a few million logits at once. Throws as forward does, and for fewer than two tokens.
  std::vector<float> token_losses(std::span<const std::int32_t> tokens,
                                  const AttentionHook& attention = dense_attention) const;

  /// Per query head of `layer`, the root mean square over tokens of the norm of what the head adds to the residual
  /// stream: |o_h W_h^T|, W_h the head's columns of o_proj. attention_output: [1, heads, seq, dim] float32.
  std::vector<float> head_output_norms(int layer, const Tensor& attention_output) const;

 private:
  struct Layer {
    Array<float> attention_norm, mlp_norm;  // [hidden]
    Matrix qkv;                             // [(heads + 2 kv_heads) dim, hidden]: q, k and v in one product
    Matrix o;                               // [hidden, heads dim]
    Matrix gate_up;                         // [2 intermediate, hidden]
    Matrix down;                            // [hidden, intermediate]
  };

  void add_attention(int layer, const AttentionHook& attention, const RotaryTable& rotary, const Matrix& x) const;
  void add_mlp(const Layer& layer, const Matrix& x) const;

  io::ModelSizes sizes_;
  Matrix embedding_, head_;  // [vocab, hidden]; one matrix when tied
  Array<float> final_norm_;
  std::vector<Layer> layers_;
};

}  // namespace halftone::eval
