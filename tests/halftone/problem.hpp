// Activations and geometry of a small case, and what the pattern should make of them: the definitions written out in
// double precision, one number at a time, with nothing taken from the library but tensors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "halftone/patterns/halftone/halftone.hpp"

namespace halftone::testing {

struct Case {
  std::string name;
  DType dtype = DType::float32;
  int heads_q = 2, heads_kv = 1, dim = 32;
  bool causal = true;
  std::vector<std::int32_t> len_q{200}, len_k{200};  ///< per sequence
  bool packed = false;                               ///< else all lengths are equal
  int block_k = 64;
  patterns::HalftoneOptions options{};
};
inline std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

/// The cases every stage is tested on: lengths, head dims, groups, packing, dtypes, both kinds of visibility.
std::vector<Case> all_cases();

struct Problem {
  explicit Problem(const Case& c, std::uint64_t stream = 1);
  Problem(const Case& c, const HostTensor& q, const HostTensor& k, const HostTensor& v);

  Case c;
  HostTensor host_q, host_k, host_v;
  Tensor q, k, v;
  Array<std::int32_t> starts_q, starts_k;
  MaskGeometry geometry;
  std::vector<std::int32_t> begin_q, begin_k;  ///< first rows in the tensors

  patterns::HalftoneLayer layer() const { return {&q, &k, &v, 0.0f, {}, {}}; }
  int batch() const { return static_cast<int>(c.len_q.size()); }
  int tiles() const { return geometry.tiles(); }
  int blocks() const { return geometry.blocks(); }
  double scale() const;
  /// Index in [batch, heads_q, tiles, blocks].
  std::size_t at(int b, int h, int t, int block) const {
    return ((static_cast<std::size_t>(b) * c.heads_q + h) * tiles() + t) * blocks() + block;
  }

  double element(const HostTensor& tensor, int b, int head, int row, int column) const;

  bool visible(int b, int tile, int block) const;  ///< some query of the tile sees some key of the block
  bool past(int b, int tile, int block) const;     ///< the tile's first query sees the whole, full block
  bool forced(int b, int tile, int block) const;
  std::int64_t visible_blocks() const;  ///< over all batches, heads and tiles
  std::int64_t forced_blocks() const;
};

struct NaiveScores {
  std::vector<double> score;  ///< [batch, heads_q, tiles, blocks]
  double magnitude = 0.0;     ///< bound on the terms that were added up in any logit
  double largest_term = 0.0;  ///< of them
};
NaiveScores naive_scores(const Problem& problem);

/// To eight significant bits, ties to even.
double round_to_bfloat16(double x);

/// Which of 16 groups a dimension's variance is averaged over: neighbours, and those half the dimensions away.
inline constexpr int kNaiveGroups = 16;
int variance_group(int j, int dim);

/// ln of the estimated mass of a micro-block with the given logits' mean and variance, as DESIGN.md has it.
double naive_log_mass(double count, double mean, double variance);

template <class T>
std::vector<T> to_vector(const Array<T>& view) {
  const auto host = Kokkos::create_mirror_view_and_copy(HostSpace{}, view);
  return {host.data(), host.data() + host.extent(0)};
}

/// Whether each block of [batch, heads_q, tiles, blocks] is kept, by the list of the head or of its group.
std::vector<bool> kept_blocks(const Problem& problem, const BlockMask& mask);

/// The landmarks' biases: the logarithm of a block's keys for the past blocks of gated heads that the mask leaves out,
/// -inf for all others.
std::vector<float> landmark_biases(const Problem& problem, const BlockMask& mask, const std::vector<bool>& gate);

}  // namespace halftone::testing
