// Random attention requests of every kind, to run one kernel against another.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "halftone/core/attention_params.hpp"
#include "halftone/core/block_mask.hpp"
#include "halftone/core/kokkos_compat.hpp"

namespace halftone::testing {

enum class MaskHeads { none, shared, per_group, per_head };

struct ProblemShape {
  std::string name;
  std::vector<int> len_q{200}, len_k{200};  ///< one entry per sequence; more than one length: packed
  bool packed = false;                      ///< otherwise every sequence has the first length
  int batch = 1, heads_q = 4, heads_kv = 2, dim = 64;
  bool causal = true;
  MaskHeads mask = MaskHeads::none;
  int block_q = 128, block_k = 64;
  bool landmarks = false;
  bool sink = false;
};

/// Outputs as float, in order [batch, heads_q, query], packed: [sequence, heads_q, query].
struct Outputs {
  std::vector<float> o, lse, far_mass;
  bool guards_intact = true;  ///< nothing was written outside o's rows
};

using KernelFunction = void (*)(const AttentionParams&);

/// Inputs on the host with padded, interleaved strides ([batch, seq, heads, dim + padding]).
class Problem {
 public:
  Problem(const ProblemShape& shape, DType dtype, std::uint64_t seed);

  /// The same numbers (already rounded to this problem's type) held in float32.
  Problem in_float32() const;
  /// Runs a kernel that reads host memory, or (run_on_device) the default memory space.
  Outputs run_on_host(KernelFunction kernel) const;
  Outputs run_on_device(KernelFunction kernel) const;

 private:
  template <class Space>
  Outputs run(KernelFunction kernel) const;
  std::int64_t sequences() const;
  std::int64_t length_q(std::int64_t b) const;

  using Bytes = Kokkos::View<std::byte*, HostSpace>;
  void fill_mask(std::uint64_t seed);
  void fill_landmarks(std::uint64_t seed);

  ProblemShape shape_;
  DType dtype_;
  std::int64_t rows_q_ = 0, rows_k_ = 0;  ///< rows per head over all sequences
  std::int64_t longest_q_ = 0, longest_k_ = 0;
  Bytes q_, k_, v_, landmark_key_, landmark_value_;
  HostArray<float> bias_, sink_;
  HostArray<std::int32_t> starts_q_, starts_k_;
  HostBlockMask mask_;
};

/// ||a - b|| / ||b||; NaN anywhere gives NaN.
double relative_error(const std::vector<float>& a, const std::vector<float>& b);

}  // namespace halftone::testing
