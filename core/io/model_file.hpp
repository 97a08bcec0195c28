// Files of kind "model": the parameters of a Llama-style decoder under their Hugging Face names.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "halftone/core/io/hdf5.hpp"
#include "halftone/core/io/provenance.hpp"
#include "halftone/core/tensor.hpp"

namespace halftone::io {

/// Root attributes of the same names.
struct ModelSizes {
  std::int64_t vocab_size = 0, hidden_size = 0, num_layers = 0, num_heads = 0, num_kv_heads = 0, head_dim = 0;
  std::int64_t intermediate_size = 0;
  double rope_theta = 10000.0;  ///< rotary positions in the half-split layout
  double norm_eps = 1e-5;       ///< of the RMS norms
  bool tie_embeddings = false;  ///< the output projection is the embedding; else lm_head.weight
};

struct ModelParameter {
  Shape shape;        ///< [out, in] or [size]
  HostTensor values;  ///< [1, 1, out, in] or [1, 1, 1, size]
};

struct ModelFile {
  ModelSizes sizes;
  std::map<std::string, ModelParameter> parameters;

  /// The parameter of that name; throws InvalidArgument when there is none.
  const HostTensor& operator[](const std::string& name) const;
};

/// The parameters a model of these sizes consists of, with their shapes:
/// model.embed_tokens.weight [vocab, hidden], model.norm.weight [hidden], lm_head.weight [vocab, hidden] unless tied,
/// and per layer model.layers.N. + input_layernorm.weight, post_attention_layernorm.weight [hidden],
/// self_attn.{q,k,v}_proj.weight [heads dim, hidden], self_attn.o_proj.weight [hidden, heads dim],
/// mlp.{gate,up}_proj.weight [intermediate, hidden], mlp.down_proj.weight [hidden, intermediate].
std::map<std::string, Shape> model_parameter_shapes(const ModelSizes& sizes);

/// Throws FileError (FileWriter's reasons); InvalidArgument: sizes that do not fit together, parameters missing,
/// unknown or of another shape.
void write_model(const std::string& path, const ModelFile& model, const Provenance& provenance);

/// Throws FileError: FileReader's reasons, attributes or parameters missing, of another type or shape. Other datasets
/// and attributes are ignored. Parameters may be float32, float16 or bfloat16.
ModelFile read_model(const std::string& path);

}  // namespace halftone::io
