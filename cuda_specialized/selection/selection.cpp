#include "halftone/cuda_specialized/selection/selection.hpp"

#include <cmath>
#include <limits>

#include "halftone/core/error.hpp"
#include "halftone/cuda_specialized/common/check.hpp"
#include "halftone/cuda_specialized/common/request.hpp"
#include "halftone/cuda_specialized/selection/plan.hpp"
#include "halftone/patterns/halftone/near_field.hpp"

namespace halftone::cuda::selection {
namespace {

void require(bool ok, const char* what, const std::string& got, const std::string& expected) {
  if (!ok) throw InvalidArgument(what, got, expected);
}

bool is_power_of_two(std::int32_t n) { return n > 0 && (n & (n - 1)) == 0; }

Plan plan_of(const AttentionParams& params, const SelectionOptions& options, void* workspace, std::size_t* bytes) {
  return make_plan(params, options, workspace, device_attribute(cudaDevAttrMultiProcessorCount), bytes);
}

Selection results_of(const Plan& plan) {
  Selection result;
  BlockMaskView& mask = result.mask;
  mask.row_ptr = plan.row_ptr;
  mask.col_idx = plan.col_idx;
  mask.kind = plan.kind;
  mask.batch = plan.geometry.batch;
  mask.heads = plan.geometry.heads;
  mask.tiles = plan.tiles;
  mask.blocks = plan.blocks;
  mask.block_q = plan.geometry.block_q;
  mask.block_k = plan.geometry.block_k;
  if (plan.options.landmarks)
    result.landmarks = {plan.landmark_key, plan.landmark_value, plan.priorities, plan.blocks, plan.tiles, kTileQueries};
  result.outcome = &plan.control->outcome;
  return result;
}

void check_budget(const AttentionParams& p, const SelectionOptions& o) {
  require((o.tolerance != 0.0) != (o.density != 0.0), "tolerance and density",
          std::to_string(o.tolerance) + " and " + std::to_string(o.density), "exactly one of them, the other 0");
  require(o.tolerance == 0.0 || (o.tolerance > 0.0 && o.tolerance <= std::numeric_limits<float>::max()), "tolerance",
          std::to_string(o.tolerance), "a positive number that float32 holds");
  require(o.density == 0.0 || (o.density > 0.0 && o.density <= 1.0), "density", std::to_string(o.density),
          "more than 0 and at most 1");
  if (o.density == 0.0 || p.packed()) return;
  const Plan plan = make_plan(p, o, nullptr, 1, nullptr);
  std::int64_t visible = 0, forced = 0;
  const patterns::detail::NearField near{plan.geometry, o.sink_blocks, o.local_blocks};
  for (std::int32_t tile = 0; tile < plan.tiles; ++tile) {
    const patterns::detail::TileBlocks blocks = near.blocks(0, tile);
    visible += blocks.visible;
    forced += blocks.count_forced();
  }
  const double needed = static_cast<double>(forced) / static_cast<double>(visible);
  require(visible == 0 || o.density * (1.0 + 1e-12) >= needed, "density", std::to_string(o.density),
          "at least " + std::to_string(std::ceil(needed * 1e6) / 1e6) +
              ", what the sink blocks, the diagonal and the local blocks need");
}

}  // namespace

std::string refusal(const AttentionParams& params, const SelectionOptions& options) {
  AttentionParams p = params;
  if (!p.o) p.o = const_cast<void*>(p.q);  // not of interest here
  p.o_stride = p.q_stride;
  p.landmarks = {};
  if (std::string reason = request_refusal(p, 128, kTileQueries); !reason.empty()) return reason;
  if (!is_power_of_two(options.representatives) || options.representatives > kRowGroup)
    return std::to_string(options.representatives) + " representatives; it takes 1, 2, 4, 8, 16, 32 and 64";
  if (options.block_k > 16 * options.micro_block)
    return "micro-blocks of " + std::to_string(options.micro_block) + " keys in blocks of " +
           std::to_string(options.block_k) + "; it takes up to 16 of them";
  if (options.block_k != 64 && options.block_k != 128)
    return "blocks of " + std::to_string(options.block_k) + " keys; it takes 64 and 128";
  if (options.shared_lists && params.heads_q != params.heads_kv)
    return "lists that " + std::to_string(params.heads_q / params.heads_kv) +
           " query heads share; it makes one for each of them";
  const std::int64_t tiles = (params.seq_q + kTileQueries - 1) / kTileQueries;
  const std::int64_t blocks = (params.seq_k + options.block_k - 1) / options.block_k;
  const std::int64_t rows = params.batch * params.heads_q * tiles, representatives = rows * options.representatives;
  if (rows * blocks > kMostBlocks)
    return std::to_string(rows * blocks) + " blocks of all rows; it counts up to " + std::to_string(kMostBlocks);
  if (representatives > kMostRepresentatives)
    return std::to_string(representatives) + " representatives; it takes up to " + std::to_string(kMostRepresentatives);
  return hopper_refusal();
}

void validate(const AttentionParams& params, const SelectionOptions& o) {
  require(is_power_of_two(o.micro_block) && o.micro_block >= 4 && o.micro_block <= 64, "micro_block",
          std::to_string(o.micro_block), "4, 8, 16, 32 or 64");
  require(o.block_k > 0 && o.block_k % 64 == 0, "block_k", std::to_string(o.block_k), "a multiple of 64");
  require(o.representatives > 0 && kTileQueries % o.representatives == 0, "representatives",
          std::to_string(o.representatives), "a divisor of block_q = 128");
  require(o.sink_blocks >= 0, "sink_blocks", std::to_string(o.sink_blocks), "at least 0");
  require(o.local_blocks >= 0, "local_blocks", std::to_string(o.local_blocks), "at least 0");
  check_budget(params, o);
}

std::size_t workspace_bytes(const AttentionParams& params, const SelectionOptions& options) {
  std::size_t bytes = 0;
  plan_of(params, options, nullptr, &bytes);
  return bytes;
}

Selection results(const AttentionParams& params, const SelectionOptions& options, void* workspace) {
  return results_of(plan_of(params, options, workspace, nullptr));
}

Selection select(const AttentionParams& params, const SelectionOptions& options, void* workspace, void* stream_handle) {
  const auto stream = static_cast<cudaStream_t>(stream_handle);
  const Plan plan = plan_of(params, options, workspace, nullptr);
  launch_statistics(plan, stream);
  launch_scores(plan, stream);
  launch_threshold(plan, stream);
  launch_lists(plan, stream);
  return results_of(plan);
}

SelectionOutcome fetch_outcome(const Selection& selection, void* stream_handle) {
  const auto stream = static_cast<cudaStream_t>(stream_handle);
  SelectionOutcome outcome;
  HALFTONE_CUDA_CHECK(cudaMemcpyAsync(&outcome, selection.outcome, sizeof outcome, cudaMemcpyDeviceToHost, stream));
  HALFTONE_CUDA_CHECK(cudaStreamSynchronize(stream));
  return outcome;
}

}  // namespace halftone::cuda::selection
