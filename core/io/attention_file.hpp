// Files of kind "attention": outputs of attention calls, and their errors against a dense reference.
#pragma once

#include <string>
#include <vector>

#include "halftone/core/io/arrays.hpp"
#include "halftone/core/io/provenance.hpp"
#include "halftone/core/tensor.hpp"

namespace halftone::io {

/// /attention/layer_NN, and /error/layer_NN when there are errors.
struct AttentionLayer {
  int index = 0;
  HostTensor o;                    ///< [batch, heads_q, seq, dim]
  std::vector<float> lse;          ///< [batch, heads_q, seq] natural log of the softmax denominator
  std::vector<float> far_mass;     ///< [batch, heads_q, seq] share of the softmax on landmarks, or empty
  std::string pattern, kernel;     ///< names of what made it
  double density = 1.0;            ///< kept over visible blocks
  double seconds = 0.0;            ///< time of the call
  std::vector<NamedArray> errors;  ///< e.g. relative_l2 [heads_q], captured_mass [heads_q]; empty without a reference
};

/// Throws FileError (FileWriter's reasons); InvalidArgument for no layer or sizes that do not fit o.
void write_attention(const std::string& path, const std::vector<AttentionLayer>& layers, const Provenance& provenance);

/// Throws FileError: FileReader's reasons, datasets or attributes missing, of another type or shape.
std::vector<AttentionLayer> read_attention(const std::string& path);

}  // namespace halftone::io
