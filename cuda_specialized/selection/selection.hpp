// The halftone selection on a CUDA device: statistics, scores, one tolerance, block lists, without a round trip to the
// host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "halftone/core/attention_params.hpp"
#include "halftone/patterns/halftone/formula.hpp"

namespace halftone::cuda::selection {

/// The settings of patterns::HalftoneOptions in plain numbers.
struct SelectionOptions {
  std::int32_t micro_block = 8;       ///< keys per micro-block: 4, 8, 16, 32 or 64
  std::int32_t representatives = 16;  ///< queries that stand for a tile of 128: 1, 2, 4, 8, 16, 32 or 64
  patterns::Aggregation aggregation = patterns::Aggregation::rms;
  patterns::BlockMass block_mass = patterns::BlockMass::largest;
  std::int32_t sink_blocks = 1, local_blocks = 1;
  std::int32_t block_k = 64;
  double tolerance = 0.0;              ///< keep blocks whose score exceeds it; 0: find it from `density`
  double density = 0.0;                ///< wanted density over the call in (0, 1]; 0: use `tolerance`
  bool landmarks = false;              ///< represent what is left out, on gated heads
  const float* head_weight = nullptr;  ///< device, [heads_q]; null: 1
  const std::uint8_t* gate = nullptr;  ///< device, [heads_q], 1: landmarks; null: all heads
  bool shared_lists = false;           ///< one list per key-value head: refused where its group has several query heads
};

/// What became of a selection, in device memory.
struct SelectionOutcome {
  std::int64_t visible;  ///< blocks that hold a visible pair, over all rows: the density's denominator
  std::int64_t forced;   ///< of these, in the near field
  std::int64_t kept;
  float tolerance;           ///< that was applied; -1 where the density asks for every block
  std::uint32_t not_finite;  ///< scores that were not finite numbers; none of their blocks is kept
};

/// Results of a selection; everything lies in its workspace, until that is used again.
struct Selection {
  BlockMaskView mask;                         ///< per query head
  LandmarkView landmarks;                     ///< with options.landmarks
  const SelectionOutcome* outcome = nullptr;  ///< device
};

/// Why the selection cannot run for this request on the current device; empty when it can. Serves float16 and bfloat16,
/// head dims that are multiples of 8 up to 128, up to 2^32 - 1 blocks of all rows and
/// 2^31 - 1 representatives, on compute capability 9.0. Reads the
/// request's q, k, v (with landmarks), sizes, strides, scale, cu_seqlens and causal; not its outputs.
std::string refusal(const AttentionParams& params, const SelectionOptions& options);

/// Throws InvalidArgument on settings out of range, and on a density below what the near field needs (not for packed
/// batches, whose lengths lie on the device: there the near field is kept, and the outcome tells).
void validate(const AttentionParams& params, const SelectionOptions& options);

/// Device memory that select() needs, results included.
std::size_t workspace_bytes(const AttentionParams& params, const SelectionOptions& options);

/// Where the results of select() will lie.
Selection results(const AttentionParams& params, const SelectionOptions& options, void* workspace);

/// Enqueues the selection on `stream` (a cudaStream_t; null: the default stream). No host synchronisation, no
/// allocation; may be captured into a CUDA graph. The lists are those of patterns::select_halftone, and the same every
/// time. `workspace`: workspace_bytes() at a multiple of 256. Throws Error when CUDA refuses a call.
Selection select(const AttentionParams& params, const SelectionOptions& options, void* workspace, void* stream);

/// Waits for the stream and copies the outcome to the host.
SelectionOutcome fetch_outcome(const Selection& selection, void* stream);

}  // namespace halftone::cuda::selection
