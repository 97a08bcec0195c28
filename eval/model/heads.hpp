// Between the matrices of the projections [seq, heads * dim] and the tensors of attention [1, heads, seq, dim],
// with rotary position embeddings (Su et al.: "RoFormer", 2021) on the way.
#pragma once

#include "halftone/core/tensor.hpp"
#include "halftone/eval/model/matrix.hpp"

namespace halftone::eval {

/// Cosines and sines of the rotation angles, [positions, dim / 2] each.
struct RotaryTable {
  Matrix cos, sin;
};

/// Angle of position p in plane j: p theta^(-2 j / dim), computed in double.
RotaryTable rotary_table(std::size_t positions, int dim, double theta);

/// Heads in columns [first_column, first_column + heads * dim) of x [seq, columns], as a tensor [1, heads, seq, dim].
Tensor split_heads(const Matrix& x, int first_column, int heads, int dim);

/// split_heads, each row rotated by its position. Half-split layout: plane j holds elements j and j + dim / 2.
Tensor split_heads_rotated(const Matrix& x, int first_column, int heads, int dim, const RotaryTable& table);

/// Inverse of split_heads: x [1, heads, seq, dim] float32 into y [seq, heads * dim].
void merge_heads(const Tensor& x, const Matrix& y);

}  // namespace halftone::eval
