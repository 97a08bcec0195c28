// Loss of logits against the tokens that came.
#pragma once

#include "halftone/eval/model/matrix.hpp"

namespace halftone::eval {

/// loss[r] = logsumexp_c logits[r, c] - logits[r, target[r]], in nats. logits [rows, vocab]; target, loss [rows].
void cross_entropy(const Matrix& logits, const Array<std::uint32_t>& target, const Array<float>& loss);

}  // namespace halftone::eval
