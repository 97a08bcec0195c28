// The representatives of an item, from q to the operands of its products: u, and beside it u^2 summed over the variance
// groups.
#pragma once

#include "halftone/cuda_specialized/common/copy_async.cuh"
#include "halftone/cuda_specialized/common/row_place.cuh"
#include "halftone/cuda_specialized/common/tma.cuh"
#include "halftone/cuda_specialized/selection/groups.cuh"
#include "halftone/cuda_specialized/selection/scores_config.cuh"

namespace halftone::cuda::selection {

/// By the consumers; a thread takes eight dimensions of every kRows-th representative.
template <class Config>
class ScoreQueries {
  static constexpr int kPieces = Config::kDim / 8, kRows = Config::kConsumers / kPieces;

 public:
  __device__ ScoreQueries(const Plan& plan, ScoreShared<Config>& shared) : plan_(plan), s_(shared) {}

  /// Starts copying those of an item to where the last item's lay.
  __device__ void load(const ItemPlace& item) const {
    const AttentionParams& p = plan_.params;
    const int log2_run = kLog2TileQueries - plan_.log2_representatives;
    const std::int32_t first_head = item.head_kv * plan_.group;
    const SequenceExtent extent = sequence_extent(p, item.batch);
    const auto* q =
        static_cast<const std::uint16_t*>(p.q) + row_offset(p, p.q_stride, item.batch, 0, extent.begin_q) + piece() * 8;
#pragma unroll 1
    for (int row = first_row(); row < kItemRows; row += kRows) {
      const RepresentativePlace place = item.place(plan_, row);
      const std::int64_t first = place.tile * kTileQueries + (place.index << log2_run);
      const bool exists = place.tile < plan_.tiles && first < extent.len_q && piece() * 8 < p.dim;
      const std::int64_t query = patterns::detail::representative_query(first, 1 << log2_run, extent.len_q);
      const std::int64_t offset = (first_head + place.head) * p.q_stride.head + query * p.q_stride.seq;
      copy_async(shared_address(&wide(row)), exists ? q + offset : q, exists);
    }
    copy_commit();
  }

  /// Completes them; the products may follow behind a barrier of all consumers.
  __device__ void complete() const {
    const bool even = has_even_groups(plan_.params.dim);
    copy_wait<0>();
#pragma unroll 1
    for (int row = first_row(); row < kItemRows; row += kRows) {
      float u[8];
      convert(wide(row), u);
#pragma unroll
      for (float& x : u) x *= x;
      if (even) store_even_groups<false, Config::kDim / 32>(u, narrow(row), row % kRowGroup, piece());
    }
    if (!even) square_any_groups();
    fence_shared_for_copies();
  }

 private:
  __device__ static int piece() { return static_cast<int>(threadIdx.x % kPieces); }
  __device__ static int first_row() { return static_cast<int>(threadIdx.x / kPieces); }
  __device__ uint4& wide(int row) const {
    return *reinterpret_cast<uint4*>(s_.rows[row / kRowGroup] + wide_offset(kRowGroup, row % kRowGroup, piece()));
  }
  __device__ std::uint8_t* narrow(int row) const {
    return s_.rows[row / kRowGroup] + wide_bytes(kRowGroup, Config::kDim);
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
    named_sync(kConsumerBarrier, Config::kConsumers);  // rows are there
#pragma unroll 1
    for (int i = static_cast<int>(threadIdx.x); i < kItemRows * kGroupsPerRow; i += Config::kConsumers) {
      const int row = i / kGroupsPerRow, group = i % kGroupsPerRow;
      const std::uint8_t* operand = s_.rows[row / kRowGroup];
      const float sum = sum_group<false>(plan_.params.dim, group, [&](int j) {
        const auto* piece =
            reinterpret_cast<const std::uint16_t*>(operand + wide_offset(kRowGroup, row % kRowGroup, j / 8));
        const float x = __uint_as_float(std::uint32_t{piece[j % 8]} << 16);
        return x * x;
      });
      narrow_element(narrow(row), row % kRowGroup, group) = bfloat16(sum).bits;
    }
  }

  const Plan& plan_;
  ScoreShared<Config>& s_;
};

}  // namespace halftone::cuda::selection
