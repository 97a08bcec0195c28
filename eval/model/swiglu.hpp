// The gated activation of Llama's feed-forward layers (Shazeer: "GLU variants improve transformer", 2020).
#pragma once

#include "halftone/eval/model/matrix.hpp"

namespace halftone::eval {

/// y[r, c] = silu(gate[r, c]) up[r, c], silu(x) = x / (1 + exp(-x)).
/// gate_up [rows, 2 width] holds the gates in its first `width` columns, y is [rows, width].
void swiglu(const Matrix& gate_up, const Matrix& y);

}  // namespace halftone::eval
