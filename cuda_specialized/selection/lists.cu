// Marks and the tolerance become block lists: which open blocks of its rows a thread block keeps, where the rows before
// them end, and the lists.
#include "halftone/cuda_specialized/common/barrier.cuh"
#include "halftone/cuda_specialized/selection/launch.cuh"
#include "halftone/cuda_specialized/selection/search.cuh"

namespace halftone::cuda::selection {
namespace {

constexpr int kThreads = kListRows * 32;  // a warp per row

/// A thread block publishes how many blocks its rows keep, and this bit besides.
constexpr std::uint32_t kPublished = 1u << 31;

__device__ inline void publish(std::uint32_t* to, std::uint32_t count) {
  asm volatile("st.relaxed.gpu.global.u32 [%0], %1;" ::"l"(__cvta_generic_to_global(to)), "r"(count | kPublished)
               : "memory");
}
__device__ inline std::uint32_t wait_for_count(const std::uint32_t* from) {
  std::uint32_t value;
  do {
    asm volatile("ld.relaxed.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(__cvta_generic_to_global(from)) : "memory");
  } while (value == 0);
  return value - kPublished;
}

/// One row of the mask, by a warp.
struct Row {
  int row;
  int visible, past, whole;

  /// Marks of a lane's word `at`.
  __device__ Marks marks(const Plan& plan, int at) const {
    if (at * 32 >= visible) return {};
    return plan.marks[std::int64_t{row} * plan.words() + at];
  }
};

/// Open blocks of a word whose priorities are on their way.
struct Open {
  static constexpr int kInFlight = 4;
  std::uint32_t bit[kInFlight];
  float priority[kInFlight];

  /// Takes the next ones out of `open`; `priorities`: of the word's first block.
  __device__ void fetch(const float* priorities, std::uint32_t& open) {
#pragma unroll
    for (int i = 0; i < kInFlight; ++i) {
      bit[i] = open & -open;
      priority[i] = open ? __ldcg(priorities + __ffs(static_cast<int>(open)) - 1) : -INFINITY;
      open ^= bit[i];
    }
  }
  __device__ std::uint32_t kept(float tolerance) const {
    std::uint32_t word = 0;
#pragma unroll
    for (int i = 0; i < kInFlight; ++i)
      if (priority[i] > tolerance) word |= bit[i];
    return word;
  }
};

/// Turns a row's priorities into the landmarks' biases, by a warp.
__device__ void write_biases(const Plan& plan, const Row& row, const std::uint32_t* words) {
  const int lane = static_cast<int>(threadIdx.x % 32), head = row.row / plan.tiles % plan.geometry.heads;
  const int past = !plan.options.gate || plan.options.gate[head] ? row.past : 0;
  const float log_block = logf(static_cast<float>(plan.options.block_k));
  float* biases = plan.priorities + std::int64_t{row.row} * plan.blocks;
  for (int block = lane; block < plan.blocks; block += 32)
    biases[block] = block < past && !(words[block / 32] >> lane & 1u) ? log_block : -INFINITY;
}

/// The list of one row from its words, by a warp.
__device__ void write_row(const Plan& plan, const Row& row, const std::uint32_t* words, std::int32_t* col_idx,
                          std::uint8_t* kind) {
  const int lane = static_cast<int>(threadIdx.x % 32);
#pragma unroll 1
  for (int begin = 0; begin < row.visible; begin += 32) {
    const std::uint32_t word = words[begin / 32];
    if (word >> lane & 1u) {
      const int at = __popc(word & ((1u << lane) - 1u));
      col_idx[at] = begin + lane;
      kind[at] = plan.geometry.edge_kind_after(row.past, row.whole, begin + lane);
    }
    col_idx += __popc(word);
    kind += __popc(word);
  }
}

struct ListShared {
  int length[kListRows];
  std::uint32_t offset[kListRows];  ///< of a row's list from the thread block's first
  std::uint32_t before;             ///< blocks that rows of the thread blocks before keep
  std::uint32_t number;
};

/// The rows' places in the lists from their lengths. Every thread block of a smaller number has begun, so none waits
/// for one that has not; all their counts are read at once.
__device__ void place_rows(const Plan& plan, ListShared& s, int list, float tolerance) {
  const int thread = static_cast<int>(threadIdx.x), first_row = list * kListRows;
  const int rows = min(kListRows, plan.rows - first_row);
  if (thread < 32) {
    const std::uint32_t mine = thread < rows ? static_cast<std::uint32_t>(s.length[thread]) : 0;
    const std::uint32_t end = inclusive_warp_scan(mine);
    if (thread == 31) publish(plan.progress + list, end);
    if (thread < rows) s.offset[thread] = end - mine;
  }
  std::uint32_t others = 0;
  for (int i = thread; i < list; i += kThreads) others += wait_for_count(plan.progress + i);
  if (others = __reduce_add_sync(0xffffffffu, others); thread % 32 == 0 && others > 0) atomicAdd(&s.before, others);
  __syncthreads();
  if (thread < rows) plan.row_ptr[first_row + thread] = s.before + s.offset[thread];
  if (thread == rows - 1 && first_row + rows == plan.rows) {
    const std::uint32_t end = s.before + s.offset[thread] + static_cast<std::uint32_t>(s.length[thread]);
    plan.row_ptr[plan.rows] = end;
    plan.control->outcome.kept = end;
    plan.control->outcome.tolerance = tolerance;
  }
}

__global__ void __launch_bounds__(kThreads, 3) lists_kernel(const __grid_constant__ Plan plan) {
  extern __shared__ std::uint32_t words[];  // [kListRows, words per row]
  __shared__ ListShared s;
  if (threadIdx.x == 0) {
    s.number = atomicAdd(&plan.control->next_list, 1u);
    s.before = 0;
  }
  launch_dependents();
  __syncthreads();
  const int list = static_cast<int>(s.number), warp = static_cast<int>(threadIdx.x / 32);
  const int lane = static_cast<int>(threadIdx.x % 32), number = list * kListRows + warp;
  std::uint32_t* own_words = words + warp * plan.words();
  const int mask_row = min(number, plan.rows - 1);
  const auto [sequence, tile] = plan.mask_row(mask_row);
  const Row row{mask_row, sequence.visible(tile), sequence.past(tile), sequence.whole(tile)};
  const float* priorities = plan.priorities + std::int64_t{mask_row} * plan.blocks;
  wait_for_previous_kernel();
  // The search for the tolerance is the longest chain; the marks of a row's first words, and priorities of blocks that
  // these leave open, come meanwhile.
  const DigitCounts<kGroups, kGroupStride, kThreads> groups(plan.group_bins);
  const SearchState before = plan.control->search[1];
  Marks marks = row.marks(plan, lane);
  float tolerance = static_cast<float>(plan.options.tolerance);
  if (plan.has_budget()) {
    SearchState state = groups.find(before);
    const DigitCounts<kGroupBins, 1, kThreads> counts(plan.second_bins + state.prefix % kGroups * kGroupBins);
    Open first;
    first.fetch(priorities + lane * 32, marks.open);
    if (!state.all) state = counts.find(state);
    tolerance = state.all ? -1.0f : __uint_as_float(state.prefix);
    marks.kept |= first.kept(tolerance);
  }
  int kept = 0;
#pragma unroll 1
  for (int at = lane; at * 32 < row.visible;) {
    while (marks.open) {
      Open more;
      more.fetch(priorities + at * 32, marks.open);
      marks.kept |= more.kept(tolerance);
    }
    own_words[at] = marks.kept;
    kept += __popc(marks.kept);
    at += 32;
    marks = row.marks(plan, at);
  }
  kept = static_cast<int>(__reduce_add_sync(0xffffffffu, static_cast<unsigned>(kept)));
  if (lane == 0) s.length[warp] = kept;
  __syncthreads();
  place_rows(plan, s, list, tolerance);
  if (number >= plan.rows) return;
  const std::uint32_t entry = s.before + s.offset[warp];
  write_row(plan, row, own_words, plan.col_idx + entry, plan.kind + entry);
  if (plan.options.landmarks) write_biases(plan, row, own_words);
}
static_assert(kListRows <= 32, "a warp scans the rows");

}  // namespace

void launch_lists(const Plan& plan, cudaStream_t stream) {
  const int bytes = plan.words() * kListRows * static_cast<int>(sizeof(std::uint32_t));
  if (bytes > 48 * 1024)
    HALFTONE_CUDA_CHECK(cudaFuncSetAttribute(lists_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes));
  launch_after(lists_kernel, plan, plan.list_blocks, kThreads, bytes, stream);
}

}  // namespace halftone::cuda::selection
