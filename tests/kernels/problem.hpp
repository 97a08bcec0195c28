// Random attention requests of every kind, to run one kernel against another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
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
  float early_keys = 1.0f, late_keys = 1.0f;  ///< factors on the keys of the first and second half of all rows
};

/// Outputs as float, in order [batch, heads_q, query], packed: [sequence, heads_q, query].
struct Outputs {
  std::vector<float> o, lse, far_mass;
  bool guards_intact = true;  ///< nothing was written outside o's rows
};

using KernelFunction = std::function<void(const AttentionParams&)>;

/// Where a kernel's pointers lie; what it hands out lives as long as itself.
class Memory {
 public:
  virtual ~Memory() = default;
  /// A copy of `bytes` bytes at `host`.
  virtual void* upload(const void* host, std::size_t bytes) = 0;
  /// Copies back, after all work is done.
  virtual void download(void* host, const void* there, std::size_t bytes) = 0;
};

/// A Kokkos memory space.
template <class Space>
class KokkosMemory : public Memory {
 public:
  void* upload(const void* host, std::size_t bytes) override {
    blocks_.emplace_back("halftone::tests::memory", bytes);
    Kokkos::deep_copy(blocks_.back(), View<const std::byte>(static_cast<const std::byte*>(host), bytes));
    return blocks_.back().data();
  }
  void download(void* host, const void* there, std::size_t bytes) override {
    Kokkos::fence();
    const Kokkos::View<const std::byte*, Space, Kokkos::MemoryTraits<Kokkos::Unmanaged>> from(
        static_cast<const std::byte*>(there), bytes);
    Kokkos::deep_copy(View<std::byte>(static_cast<std::byte*>(host), bytes), from);
  }

 private:
  template <class T>
  using View = Kokkos::View<T*, HostSpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
  std::vector<Kokkos::View<std::byte*, Space>> blocks_;
};

/// Inputs on the host with padded, interleaved strides ([batch, seq, heads, dim + padding]).
class Problem {
 public:
  Problem(const ProblemShape& shape, DType dtype, std::uint64_t seed);

  const ProblemShape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  /// The same numbers (already rounded to this problem's type) held in float32.
  Problem in_float32() const;
  /// Runs a kernel on pointers in `memory`.
  Outputs run(const KernelFunction& kernel, Memory& memory) const;
  /// Likewise in host memory, and in the default memory space.
  Outputs run_on_host(const KernelFunction& kernel) const;
  Outputs run_on_device(const KernelFunction& kernel) const;

 private:
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

/// Lengths, head counts, masks, landmarks and packed batches, edge cases among them.
std::vector<ProblemShape> edge_case_shapes();

/// ||a - b|| / ||b||; NaN anywhere gives NaN.
double relative_error(const std::vector<float>& a, const std::vector<float>& b);

/// Checks a kernel's outputs against the oracle:
///   err(kernel vs float32 truth) <= 2 err(oracle in the low precision vs float32 truth) + 1e-6
/// (`kernel_rounding`: what the kernel's own 16-bit arithmetic adds), and under the fixed bound of the element type;
/// LSE and far mass to `tolerance`; empty rows exactly; nothing written outside the output.
void expect_matches_reference(const Problem& problem, const Outputs& got, double kernel_rounding = 0.0,
                              double tolerance = 2e-6);

}  // namespace halftone::testing
