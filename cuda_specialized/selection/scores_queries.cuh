// The representatives of an item, from q to the operands of its products: u, and beside it u^2 summed over the variance
// groups.
#pragma once

#include "halftone/cuda_specialized/common/copy_async.cuh"
#include "halftone/cuda_specialized/common/row_place.cuh"
#include "halftone/cuda_specialized/common/tma.cuh"
#include "halftone/cuda_specialized/selection/groups.cuh"
#include "halftone/cuda_specialized/selection/scores_config.cuh"

namespace halftone::cuda::selection {

/// By the consumers of a group of rows; a thread takes eight dimensions of every kStep-th representative.
template <class Config>
class ScoreQueries {
  static constexpr int kPieces = Config::kDim / 8, kStep = kGroupThreads / kPieces, kSteps = kRowGroup / kStep;

 public:
  __device__ ScoreQueries(const Plan& plan, ScoreShared<Config>& shared) : plan_(plan), s_(shared) {}

  /// Starts copying those of an item to where the last item's lay.
  __device__ void load(const ItemPlace& item) const {
    constexpr int kTogether = 32 / kPieces;  // rows of a warp in one step
    const int lane = read_thread() % 32, first_row = read_thread() % kGroupThreads / 32 * kTogether;
    // A lane works out where one of the warp's rows comes from.
    const int mine = lane % (kTogether * kSteps);
    const auto address =
        reinterpret_cast<std::uintptr_t>(query(item, first_row + mine % kTogether + mine / kTogether * kStep));
    const bool real = piece() * 8 < plan_.params.dim;
#pragma unroll
    for (int i = 0; i < kSteps; ++i) {
      const std::uintptr_t from = __shfl_sync(0xffffffffu, address, i * kTogether + lane / kPieces);
      const auto* row = reinterpret_cast<const uint4*>(from);
      copy_async(shared_address(wide() + i * kWideStep), from ? row + piece() : plan_.params.q, from && real);
    }
    copy_commit();
  }

  /// Completes them; the products may follow behind a barrier of those that share the rows.
  __device__ void complete() const {
    const bool even = has_even_groups(plan_.params.dim);
    uint4* row = wide();
    copy_wait<0>();
#pragma unroll 1
    for (int i = 0; i < kSteps; ++i, row += kWideStep) {
      float u[8];
      convert(*row, u);
#pragma unroll
      for (float& x : u) x *= x;
      if (even) store_even_groups<false, Config::kDim / 32>(u, narrow(), first_row() + i * kStep, piece());
    }
    if (!even) square_any_groups();
    fence_shared_for_copies();
  }

 private:
  __device__ static int piece() { return read_thread() % kPieces; }
  __device__ static int first_row() { return read_thread() % kGroupThreads / kPieces; }
  __device__ std::uint8_t* operand() const { return s_.rows[row_group()]; }
  __device__ std::uint8_t* narrow() const { return operand() + wide_bytes(kRowGroup, Config::kDim); }
  /// This thread's piece of its first row; a step further it lies kWideStep on.
  __device__ uint4* wide() const {
    return reinterpret_cast<uint4*>(operand() + wide_offset(kRowGroup, first_row(), piece()));
  }
  static constexpr int kWideStep = kStep * 128 / 16;
  static_assert(kStep % 8 == 0, "the swizzle repeats every eight rows");

  /// The query that a row of the group stands for; null: there is none.
  __device__ const std::uint16_t* query(const ItemPlace& item, int row) const {
    const AttentionParams& p = plan_.params;
    const RepresentativePlace place = item.place(plan_, row_group() * kRowGroup + row);
    const SequenceExtent extent = sequence_extent(p, item.batch);
    const int log2_run = kLog2TileQueries - plan_.log2_representatives, len_q = static_cast<int>(extent.len_q);
    const int first = (place.tile << kLog2TileQueries) + (place.index << log2_run);
    if (first >= len_q) return nullptr;
    const std::int64_t query = patterns::detail::representative_query(first, 1 << log2_run, len_q);
    return static_cast<const std::uint16_t*>(p.q) +
           row_offset(p, p.q_stride, item.batch, item.head_kv * plan_.group + place.head, extent.begin_q + query);
  }

  /// Queries become bfloat16.
  __device__ void convert(uint4& packed, float (&u)[8]) const {
    if (plan_.params.dtype == DType::bfloat16) return unpack<bfloat16>(packed, u);
    unpack<float16>(packed, u);
#pragma unroll
    for (float& x : u) x = patterns::detail::round_statistic(x);
    packed = pack<bfloat16>(u);
  }

  __device__ void square_any_groups() const {
    constexpr int kGroupsPerRow = patterns::detail::kVarianceGroups;
    sync_rows();
#pragma unroll 1
    for (int i = read_thread() % kGroupThreads; i < kRowGroup * kGroupsPerRow; i += kGroupThreads) {
      const int row = i / kGroupsPerRow, group = i % kGroupsPerRow;
      const float sum = sum_group<false>(plan_.params.dim, group, [&](int j) {
        const auto* piece = reinterpret_cast<const std::uint16_t*>(operand() + wide_offset(kRowGroup, row, j / 8));
        const float x = __uint_as_float(std::uint32_t{piece[j % 8]} << 16);
        return x * x;
      });
      narrow_element(narrow(), row, group) = bfloat16(sum).bits;
    }
  }

  const Plan& plan_;
  ScoreShared<Config>& s_;
};

}  // namespace halftone::cuda::selection
