#include "halftone/cuda_specialized/selection/plan.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace halftone::cuda::selection {
namespace {

/// Hands out pieces of a workspace, or counts what it would hand out.
class Pieces {
 public:
  explicit Pieces(void* workspace) : base_(static_cast<std::uint8_t*>(workspace)) {}

  template <class T>
  void take(T*& pointer, std::int64_t count) {
    constexpr std::size_t kAlignment = 256;
    pointer = base_ ? reinterpret_cast<T*>(base_ + used_) : nullptr;
    used_ += (static_cast<std::size_t>(count) * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
  }
  std::size_t used() const { return used_; }

 private:
  std::uint8_t* base_;
  std::size_t used_ = 0;
};

template <class T>
T ceil_div(T a, T b) {
  return (a + b - 1) / b;
}

}  // namespace

Plan make_plan(const AttentionParams& params, const SelectionOptions& options, void* workspace, int multiprocessors,
               std::size_t* bytes) {
  Plan plan{};
  plan.params = params;
  plan.options = options;
  plan.options.local_blocks = std::min(options.local_blocks, kMostLocalBlocks);
  MaskGeometry& g = plan.geometry;
  g.batch = params.batch;
  g.heads = params.heads_q;
  g.seq_q = params.seq_q;
  g.seq_k = params.seq_k;
  g.block_q = kTileQueries;
  g.block_k = options.block_k;
  g.causal = params.causal;
  g.cu_seqlens_q = params.cu_seqlens_q;
  g.cu_seqlens_k = params.cu_seqlens_k;

  plan.tiles = g.tiles();
  plan.blocks = g.blocks();
  plan.rows = static_cast<std::int32_t>(g.rows());
  plan.dim = params.dim <= 64 ? 64 : 128;
  plan.micros = options.block_k / options.micro_block;
  plan.log2_micros = std::countr_zero(static_cast<std::uint32_t>(plan.micros));
  plan.chunk_blocks = kColumns / plan.micros;
  plan.chunks = ceil_div(plan.blocks, plan.chunk_blocks);
  plan.share_pitch = ceil_div(plan.chunks * plan.chunk_blocks, 64) * 64;
  plan.group = params.heads_q / params.heads_kv;
  plan.log2_block = std::countr_zero(static_cast<std::uint32_t>(options.block_k));
  plan.log2_micro_block = std::countr_zero(static_cast<std::uint32_t>(options.micro_block));
  plan.log2_representatives = std::countr_zero(static_cast<std::uint32_t>(options.representatives));
  plan.row_groups = ceil_div(plan.tiles * plan.group * options.representatives, kRowGroup);
  plan.item_groups = ceil_div(plan.row_groups, kItemRows / kRowGroup);
  plan.items = params.batch * params.heads_kv * plan.item_groups;
  plan.folded = plan.items <= multiprocessors;
  plan.score_blocks = std::min(plan.items, multiprocessors);
  const patterns::detail::LogMass2 mass(params.scale);
  const float log2_size = std::log2(static_cast<float>(options.micro_block));
  plan.log_mass = {mass.logit, 0.25f * params.scale, log2_size / (0.5f * mass.half_variance), log2_size};
  const auto by = [](std::int32_t divisor) { return Divider(static_cast<std::uint32_t>(std::max(divisor, 1))); };
  plan.by_group = by(plan.group);
  plan.by_heads_kv = by(params.heads_kv);
  plan.by_sequences = by(params.batch * params.heads_kv);
  plan.by_tiles = by(plan.tiles);
  plan.by_head_tiles = by(plan.tiles * params.heads_q);
  plan.list_blocks = ceil_div(plan.rows, kListRows);

  const std::int64_t sequences = std::int64_t{params.batch} * params.heads_kv;
  const std::int64_t entries = g.rows() * plan.blocks;
  Pieces pieces(workspace);
  pieces.take(plan.control, 1);
  pieces.take(plan.first_bins, kFirstBins);
  pieces.take(plan.group_bins, kGroups * kGroupStride);
  pieces.take(plan.second_bins, kSecondBins);
  pieces.take(plan.progress, plan.list_blocks);
  pieces.take(plan.statistics, sequences * plan.chunks * plan.statistics_bytes());
  if (plan.item_share_bytes() > kItemShareBytes)
    pieces.take(plan.shares, std::int64_t{plan.score_blocks} * kItemRows * plan.share_pitch);
  pieces.take(plan.priorities, entries);
  pieces.take(plan.marks, g.rows() * plan.words());
  pieces.take(plan.row_ptr, g.rows() + 1);
  pieces.take(plan.col_idx, entries);
  pieces.take(plan.kind, entries);
  if (options.landmarks) {
    pieces.take(plan.landmark_key, sequences * plan.blocks * params.dim);
    pieces.take(plan.landmark_value, sequences * plan.blocks * params.dim);
  }
  if (bytes) *bytes = pieces.used();
  return plan;
}

void launch_scores(const Plan& plan, cudaStream_t stream) {
  const bool sum = plan.options.block_mass == patterns::BlockMass::sum;
  if (plan.dim == 64)
    sum ? launch_scores_of<64, true>(plan, stream) : launch_scores_of<64, false>(plan, stream);
  else
    sum ? launch_scores_of<128, true>(plan, stream) : launch_scores_of<128, false>(plan, stream);
}

}  // namespace halftone::cuda::selection
