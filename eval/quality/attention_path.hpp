// How attention runs in an evaluation: in which element type, by which selection and kernel.
#pragma once

#include <string>

#include "halftone/core/tensor.hpp"
#include "halftone/eval/model/llama.hpp"

namespace halftone::eval {

/// The model around attention computes in float32 whatever the path.
struct AttentionPath {
  DType dtype = DType::float32;    ///< of q, k, v and the output, for selection and attention alike
  std::string selection = "auto";  ///< of the halftone pattern: a name from selection_table(), or "auto"
  std::string kernel = "auto";     ///< a name from kernel_table(), or "auto"
};

/// The tensor in another element type, rounded to nearest even; shares the data when it has that type already.
Tensor in_dtype(const Tensor& tensor, DType dtype);

/// A layer's q, k and v in one element type.
struct LayerTensors {
  Tensor q, k, v;

  LayerTensors(const Tensor& q, const Tensor& k, const Tensor& v, DType dtype)
      : q(in_dtype(q, dtype)), k(in_dtype(k, dtype)), v(in_dtype(v, dtype)) {}
};

/// Dense causal attention by `path`; `kernel`, where given, receives the name of the kernel that ran.
AttentionHook dense_attention_by(const AttentionPath& path, std::string* kernel = nullptr);

}  // namespace halftone::eval
