#include "halftone/eval/model/llama.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "halftone/core/error.hpp"
#include "halftone/eval/model/cross_entropy.hpp"
#include "halftone/eval/model/heads.hpp"
#include "halftone/eval/model/rms_norm.hpp"
#include "halftone/eval/model/swiglu.hpp"
#include "halftone/eval/model/weights.hpp"
#include "halftone/kernels/attention.hpp"

namespace halftone::eval {

namespace {

// Rows that pass through the feed-forward layers at once: their wide intermediate stays small at any length.
constexpr std::size_t kMlpRows = 2048;
// Logits held at once when only losses are wanted (8 MiB).
constexpr std::size_t kLogitBudget = std::size_t{1} << 21;

Matrix make_matrix(const char* label, std::size_t rows, std::size_t columns) {
  return Matrix(uninitialized(label), rows, columns);
}

void check_tokens(std::span<const std::int32_t> tokens, std::size_t least, std::int64_t vocab_size) {
  if (tokens.size() < least) {
    throw InvalidArgument("tokens", fmt::format("{}", tokens.size()), fmt::format("at least {}", least));
  }
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < 0 || tokens[i] >= vocab_size) {
      throw InvalidArgument(fmt::format("token {}", i), fmt::format("{}", tokens[i]),
                            fmt::format("an id below the vocabulary's size, {}", vocab_size));
    }
  }
}

void check_attention_output(const Tensor& o, const Tensor::Shape& expected, const char* what) {
  if (o.shape != expected || o.dtype != DType::float32) {
    throw InvalidArgument(what, fmt::format("{} [{}]", name_of(o.dtype), fmt::join(o.shape, ", ")),
                          fmt::format("float32 [{}]", fmt::join(expected, ", ")));
  }
}

template <class T, class U>
Array<T> to_device_array(const char* label, std::span<const U> values) {
  HostArray<T> host(uninitialized(label), values.size());
  std::copy(values.begin(), values.end(), host.data());
  return Kokkos::create_mirror_view_and_copy(MemSpace{}, host);
}

}  // namespace

Tensor dense_attention(int, const Tensor& q, const Tensor& k, const Tensor& v) {
  return block_sparse_attention(q, k, v).o;
}

LlamaModel::LlamaModel(const io::ModelFile& file) : sizes_(file.sizes) {
  validate(file);
  embedding_ = load_matrix(file, {"model.embed_tokens.weight"});
  head_ = sizes_.tie_embeddings ? embedding_ : load_matrix(file, {"lm_head.weight"});
  final_norm_ = load_vector(file, "model.norm.weight");
  for (std::int64_t i = 0; i < sizes_.num_layers; ++i) {
    const auto name = [&](const char* rest) { return fmt::format("model.layers.{}.{}.weight", i, rest); };
    layers_.push_back({
        .attention_norm = load_vector(file, name("input_layernorm")),
        .mlp_norm = load_vector(file, name("post_attention_layernorm")),
        .qkv = load_matrix(file, {name("self_attn.q_proj"), name("self_attn.k_proj"), name("self_attn.v_proj")}),
        .o = load_matrix(file, {name("self_attn.o_proj")}),
        .gate_up = load_matrix(file, {name("mlp.gate_proj"), name("mlp.up_proj")}),
        .down = load_matrix(file, {name("mlp.down_proj")}),
    });
  }
}

Matrix LlamaModel::forward(std::span<const std::int32_t> tokens, const AttentionHook& attention,
                           int num_layers) const {
  check_tokens(tokens, 1, sizes_.vocab_size);
  if (num_layers > sizes_.num_layers) {
    throw InvalidArgument("num_layers", fmt::format("{}", num_layers), fmt::format("at most {}", sizes_.num_layers));
  }
  const Matrix x = gather_rows(embedding_, to_device_array<std::uint32_t>("halftone::eval::tokens", tokens));
  const RotaryTable rotary = rotary_table(tokens.size(), static_cast<int>(sizes_.head_dim), sizes_.rope_theta);
  const int count = num_layers < 0 ? static_cast<int>(sizes_.num_layers) : num_layers;
  for (int i = 0; i < count; ++i) {
    add_attention(i, attention, rotary, x);
    add_mlp(layers_[i], x);
  }
  rms_norm(x, final_norm_, sizes_.norm_eps, x);
  return x;
}

Matrix LlamaModel::logits(const Matrix& hidden) const {
  const Matrix result = make_matrix("halftone::eval::logits", hidden.extent(0), head_.extent(0));
  linear(hidden, head_, result);
  return result;
}

std::vector<float> LlamaModel::token_losses(std::span<const std::int32_t> tokens,
                                            const AttentionHook& attention) const {
  check_tokens(tokens, 2, sizes_.vocab_size);
  const std::size_t count = tokens.size() - 1;
  const Matrix hidden = forward(tokens.first(count), attention);
  const auto target = to_device_array<std::uint32_t>("halftone::eval::target", tokens.subspan(1));
  const Array<float> loss(uninitialized("halftone::eval::loss"), count);
  const std::size_t rows = std::max<std::size_t>(1, kLogitBudget / head_.extent(0));
  for (std::size_t begin = 0; begin < count; begin += rows) {
    const auto range = Kokkos::make_pair(begin, std::min(begin + rows, count));
    cross_entropy(logits(rows_of(hidden, range.first, range.second)), Kokkos::subview(target, range),
                  Kokkos::subview(loss, range));
  }
  const auto host = Kokkos::create_mirror_view_and_copy(HostSpace{}, loss);
  return {host.data(), host.data() + count};
}

std::vector<float> LlamaModel::head_output_norms(int layer, const Tensor& attention_output) const {
  if (layer < 0 || layer >= sizes_.num_layers) {
    throw InvalidArgument("layer", fmt::format("{}", layer), fmt::format("0 to {}", sizes_.num_layers - 1));
  }
  const std::int64_t seq = attention_output.shape[2];
  const int dim = static_cast<int>(sizes_.head_dim);
  check_attention_output(attention_output, {1, sizes_.num_heads, seq, dim}, "attention_output");
  const Matrix weight = make_matrix("halftone::eval::head_o_proj", sizes_.hidden_size, dim);
  const Matrix added = make_matrix("halftone::eval::head_contribution", seq, sizes_.hidden_size);
  std::vector<float> norms;
  for (std::int64_t h = 0; h < sizes_.num_heads; ++h) {
    const auto columns = Kokkos::make_pair(h * dim, (h + 1) * dim);
    Kokkos::deep_copy(weight, Kokkos::subview(layers_[layer].o, Kokkos::ALL(), columns));
    const Matrix head(attention_output.view<float>().data() + h * seq * dim, seq, dim);
    linear(head, weight, added);
    norms.push_back(static_cast<float>(std::sqrt(sum_of_squares(added) / static_cast<double>(seq))));
  }
  return norms;
}

void LlamaModel::add_attention(int index, const AttentionHook& attention, const RotaryTable& rotary,
                               const Matrix& x) const {
  const Layer& layer = layers_[index];
  const int heads = static_cast<int>(sizes_.num_heads), kv_heads = static_cast<int>(sizes_.num_kv_heads);
  const int dim = static_cast<int>(sizes_.head_dim);
  const Matrix normed = make_matrix("halftone::eval::normed", x.extent(0), x.extent(1));
  const Matrix qkv = make_matrix("halftone::eval::qkv", x.extent(0), layer.qkv.extent(0));
  rms_norm(x, layer.attention_norm, sizes_.norm_eps, normed);
  linear(normed, layer.qkv, qkv);
  const Tensor q = split_heads_rotated(qkv, 0, heads, dim, rotary);
  const Tensor k = split_heads_rotated(qkv, heads * dim, kv_heads, dim, rotary);
  const Tensor v = split_heads(qkv, (heads + kv_heads) * dim, kv_heads, dim);
  const Tensor o = attention(index, q, k, v);
  check_attention_output(o, q.shape, "result of the attention hook");
  const Matrix merged = make_matrix("halftone::eval::merged", x.extent(0), layer.o.extent(1));
  merge_heads(o, merged);
  linear(merged, layer.o, x, 1.0f);
}

void LlamaModel::add_mlp(const Layer& layer, const Matrix& x) const {
  const std::size_t seq = x.extent(0), rows = std::min(seq, kMlpRows);
  const Matrix normed = make_matrix("halftone::eval::normed", rows, x.extent(1));
  const Matrix gate_up = make_matrix("halftone::eval::gate_up", rows, layer.gate_up.extent(0));
  const Matrix gated = make_matrix("halftone::eval::gated", rows, layer.down.extent(1));
  for (std::size_t begin = 0; begin < seq; begin += rows) {
    const std::size_t n = std::min(rows, seq - begin);
    const Matrix part = rows_of(x, begin, begin + n), h = rows_of(gated, 0, n);
    rms_norm(part, layer.mlp_norm, sizes_.norm_eps, rows_of(normed, 0, n));
    linear(rows_of(normed, 0, n), layer.gate_up, rows_of(gate_up, 0, n));
    swiglu(rows_of(gate_up, 0, n), h);
    linear(h, layer.down, part, 1.0f);
  }
}

}  // namespace halftone::eval
