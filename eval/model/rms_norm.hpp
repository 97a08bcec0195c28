// Root-mean-square normalisation (Zhang, Sennrich: "Root mean square layer normalization", 2019).
#pragma once

#include "halftone/eval/model/matrix.hpp"

namespace halftone::eval {

/// y[r, c] = weight[c] x[r, c] / sqrt(mean_c x[r, c]^2 + eps). x, y [rows, hidden] (may be the same), weight [hidden].
void rms_norm(const Matrix& x, const Array<float>& weight, double eps, const Matrix& y);

}  // namespace halftone::eval
