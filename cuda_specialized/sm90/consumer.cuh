// A consumer warpgroup of the Hopper forward kernel: 64 query rows, products by wgmma, softmax in registers.
#pragma once

#include "halftone/cuda_specialized/common/store_rows.cuh"
#include "halftone/cuda_specialized/common/tma.cuh"
#include "halftone/cuda_specialized/sm90/forward_args.hpp"
#include "halftone/cuda_specialized/sm90/forward_shared.cuh"
#include "halftone/cuda_specialized/sm90/wgmma.cuh"

namespace halftone::cuda::sm90 {

template <class Config, class Element, bool kLandmarks>
class Consumer {
  using Shared = SharedStorage<Config>;
  using RowSoftmax = Softmax<kLandmarks>;
  static constexpr int kScores = Config::kBlockN / 2;  ///< accumulators per thread of a 64 x kBlockN tile
  static constexpr int kOutputs = Config::kDim / 2;
  static constexpr int kGroupOfEight = 8 * 128;        ///< bytes of eight 128-byte rows
  static constexpr bool kStageOutput = Config::kQueryStages > 1;  ///< the output may wait where the queries were

 public:
  __device__ Consumer(const ForwardArgs& args, Shared& shared, int group)
      : args_(args), p_(args.params), s_(shared), group_(group), lane_(static_cast<int>(threadIdx.x) % 32),
        row_in_tile_(group * 64 + static_cast<int>(threadIdx.x) % 128 / 32 * 16 + lane_ / 4) {}

  /// One stream of steps over all rows. Every turn starts the next step's scores - at a row's end those of the next row -
  /// and this step's output product, so that rows of few steps keep the tensor cores as busy as long ones.
  __device__ void run() {
    if (group_ == 1) named_arrive(turn_barrier(0), 256);  // the first turn is warpgroup 0's
    int left = next_row();  // steps of the row that still need their output product
    if (left == 0) return;
    float s[kScores], o[kOutputs];
    std::uint32_t w[kScores / 8][4], spare[kScores / 8][4];
    RowSoftmax softmax(p_.scale * 1.44269504f);
    wait_query();
    wait_key();
    begin_turn();
    issue_scores(s);
    end_turn();
    wgmma_wait<0>();
    pin(s);
    bool landmarks = take_scores(s, step_flags());
    softmax.begin(s);
    float part[2];
    softmax.template weigh<Element>(s, w, part);
    softmax.add(part, landmarks);
    int done = 0;  // output products of the row
    for (bool more = true; more;) {
      const Work& row = work();
      const int query_stage = q_.index, work_stage = work_.index;
      const bool ends_row = left == 1;
      if (ends_row || done == 1) {
        release_stored_query();
        if (ends_row) left = move_to_next_row() + 1;
      }
      more = --left > 0;
      if (more) wait_key();
      begin_turn();
      issue_scores(s);  // after the last row of stale tiles, unused: a condition here would serialise the products
      s_.v_full[v_.index].wait(v_.phase);
      issue_output(o, w, done > 0);
      if constexpr (!Config::kLateTurn) end_turn();
      const Flags flags = more ? step_flags() : Flags{};
      wgmma_wait<1>();
      pin(s);
      landmarks = take_scores(s, flags);
      if constexpr (Config::kLateTurn) {
        finish_output(o);
        end_turn();
      }
      // Otherwise the next weights, and all that starts a row, are made under the output product, which still reads w.
      auto& next = Config::kLateTurn ? w : spare;
      const RowSoftmax ended = softmax;
      if (ends_row) softmax.begin(s);
      if (softmax.template weigh<Element>(s, next, part) && !ends_row) {  // a branch, too, that keeps them there
        wgmma_wait<0>();
        pin(o);
        softmax.template reweigh<Element>(s, next, part, o);
      }
      softmax.add(part, landmarks);
      if constexpr (!Config::kLateTurn) {
        finish_output(o);
        copy_weights(w, spare);
      }
      done = ends_row ? 0 : done + 1;
      if (ends_row) {
        store(o, ended, row, query_stage);
        release(s_.work_empty[work_stage]);
      }
    }
    finish_stores();
  }

 private:
  __device__ static int turn_barrier(int group) { return 1 + group; }
  /// Ping-pong: the warpgroups take turns at issuing products, so that one's softmax runs under the other's products.
  __device__ void begin_turn() { named_sync(turn_barrier(group_), 256); }
  __device__ void end_turn() { named_arrive(turn_barrier(1 - group_), 256); }

  __device__ void release(Barrier& barrier) {
    __syncwarp();
    if (lane_ == 0) barrier.arrive();
  }

  /// Starts scores = Q K^T with the tile at the K ring's place.
  __device__ void issue_scores(float (&s)[kScores]) {
    pin(s);
    wgmma_fence();
#pragma unroll
    for (int step = 0; step < Config::kDim / 16; ++step) {
      const int chunk = step / 4, inside = step % 4 * 32;  // 16 elements are 32 bytes of a 128-byte row
      wgmma_shared<Element>(s, query_.at(chunk * Config::kBlockM * 128 + inside), key_.at(chunk * Config::kBlockN * 128 + inside),
                            step > 0);
    }
    wgmma_commit();
  }

  /// Starts output += weights V with the tile at the V ring's place.
  __device__ void issue_output(float (&o)[kOutputs], const std::uint32_t (&w)[kScores / 8][4], bool accumulate) {
    pin(o);
    wgmma_fence();
#pragma unroll
    for (int step = 0; step < Config::kBlockN / 16; ++step)
      wgmma_registers<Element>(o, w[step], value_.at(step * 16 * 128), accumulate || step > 0);
    wgmma_commit();
  }

  /// As operations: the compiler would merge mere copies into one set of registers, and find it written while in use.
  __device__ void copy_weights(std::uint32_t (&to)[kScores / 8][4], const std::uint32_t (&from)[kScores / 8][4]) const {
    const std::uint32_t zero = static_cast<std::uint32_t>(p_.batch) >> 31;
#pragma unroll
    for (int step = 0; step < kScores / 8; ++step)
#pragma unroll
      for (int i = 0; i < 4; ++i) to[step][i] = from[step][i] | zero;
  }

  /// Waits for the row at work_; its steps, 0 when there is none left.
  __device__ int next_row() {
    s_.work_full[work_.index].wait(work_.phase);
    return from_leader(work().steps);
  }
  __device__ const Work& work() const { return s_.work[work_.index]; }
  /// What rules and stores need of a row, read from shared memory where needed: that spares registers.
  __device__ RowPlace place_of(const Work& work) const {
    RowPlace at{};
    at.b = from_leader(work.b);
    at.head = from_leader(work.head);
    at.first_query = from_leader(work.first_query);
    at.begin_q = from_leader(work.begin_q);
    at.len_q = from_leader(work.len_q);
    at.len_k = from_leader(work.len_k);
    return at;
  }

  /// Returns the next row's steps, 0 when there is none left.
  __device__ int move_to_next_row() {
    if constexpr (!kStageOutput) release_query(q_.index);
    q_.advance();
    query_ = query_operand();
    work_.advance();
    const int steps = next_row();
    if (steps > 0) wait_query();
    return steps;
  }

  __device__ void wait_query() { s_.q_full[q_.index].wait(q_.phase); }
  __device__ void wait_key() { s_.k_full[k_.index].wait(k_.phase); }

  /// Operands are made as soon as their place is known, so that nothing comes between the turn and its products.
  using QueryOperand = Operand<kGroupOfEight, 16>;
  using KeyOperand = Operand<kGroupOfEight, 16>;
  using ValueOperand = Operand<kGroupOfEight, Config::kBlockN * 128>;
  __device__ QueryOperand query_operand() const { return QueryOperand(s_.q[q_.index] + group_ * 64 * 128); }

  /// Of a step's halves.
  struct Flags {
    std::int32_t half[Config::kHalves];
  };

  /// Applies the rules of the step at the K ring's place to its scores, and gives the place back. True when its columns
  /// are landmarks.
  __device__ bool take_scores(float (&s)[kScores], const Flags& flags) {
    const bool landmarks = adjust(s, flags, work());
    release(s_.k_empty[k_.index]);
    k_.advance();
    key_ = KeyOperand(s_.k[k_.index]);
    return landmarks;
  }

  /// Waits for the output product, and gives back the tile at the V ring's place.
  __device__ void finish_output(float (&o)[kOutputs]) {
    wgmma_wait<0>();
    pin(o);
    release(s_.v_empty[v_.index]);
    v_.advance();
    value_ = ValueOperand(s_.v[v_.index]);
  }

  /// Those of the step at the K ring's place.
  __device__ Flags step_flags() const {
    Flags flags;
#pragma unroll
    for (int half = 0; half < Config::kHalves; ++half)
      flags.half[half] = from_leader(s_.step[k_.index].half[half].flags);
    return flags;
  }
  __device__ KeyBlock step_block(int half) const {
    const KeyBlock& block = s_.step[k_.index].half[half];
    const auto* bits = reinterpret_cast<const std::int32_t*>(&block.bits);
    return {from_leader(block.first), from_leader(block.flags),
            std::int64_t{from_leader(bits[1])} << 32 | static_cast<std::uint32_t>(from_leader(bits[0]))};
  }
  /// A value in shared memory, read by the lane that will give the place back, so that reading and giving back are one
  /// thread's, which compute-sanitizer can follow. The sum of one value and zeros is uniform to the compiler, too.
  __device__ std::int32_t from_leader(const std::int32_t& shared) const {
    return static_cast<std::int32_t>(
        __reduce_or_sync(0xffffffffu, static_cast<unsigned>(load_shared_if(shared, lane_ == 0))));
  }

  /// Applies the step's rules to the scores; true when its columns are landmarks.
  __device__ bool adjust(float (&s)[kScores], const Flags& step_flags, const Work& work) {
    std::int32_t any = 0;
#pragma unroll
    for (int half = 0; half < Config::kHalves; ++half) any |= step_flags.half[half];
    if (any == 0) return false;
    if constexpr (kLandmarks) {
      if (any & kStepLandmark) {  // of all halves
        const float* bias = landmark_bias(p_, from_leader(work.bias));
#pragma unroll
        for (int half = 0; half < Config::kHalves; ++half)
          add_landmark_bias(s, half * 32, p_, bias, step_block(half).first);
        return true;
      }
    }
    const RowPlace at = place_of(work);
#pragma unroll
    for (int half = 0; half < Config::kHalves; ++half)
      if (step_flags.half[half] != 0) hide_scores(s, half * 32, p_, at, step_block(half), query_of(at, 0));
    return false;
  }

  /// Divides by the sums and stores the row. Whole tiles go through shared memory, where the row's queries were, and
  /// the copy engine; tiles that end inside a packed batch are written directly.
  __device__ void store(const float (&o)[kOutputs], const RowSoftmax& softmax, const Work& row, int query_stage) {
    const RowPlace at = place_of(row);
    float factor[2];
    const float* sink = p_.sink ? p_.sink + at.head : nullptr;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float lse, far_mass;
      factor[r] = softmax.finish(r, sink, lse, far_mass);
      store_sums(p_, at, query_of(at, r), lse, far_mass);
    }
    if constexpr (kStageOutput) {
      if (args_.store_tiles && (!p_.packed() || first_query(at) + 64 <= at.len_q))
        return store_tile(o, factor, at, query_stage);
      release_query(query_stage);
    }
    store_output<Element>(p_, at, query_of(at, 0), o, factor);
  }

  /// First query of this warpgroup.
  __device__ std::int32_t first_query(const RowPlace& at) const { return at.first_query + group_ * 64; }
  __device__ std::int32_t query_of(const RowPlace& at, int r) const { return at.first_query + row_in_tile_ + 8 * r; }

  __device__ void store_tile(const float (&o)[kOutputs], const float (&factor)[2], const RowPlace& at,
                             int query_stage) {
    std::uint8_t* tile = s_.q[query_stage] + group_ * 64 * 128;
    // Lane l addresses row l % 8 of the l / 8-th 8 x 8 matrix of a store: rows 0 and 8 of two neighbouring columns.
    const int row = opaque(static_cast<int>(threadIdx.x) % 128 / 32 * 16 + lane_ % 16);
#pragma unroll
    for (int j = 0; j < Config::kDim / 8; j += 2) {
      const int piece = (j % 8 + lane_ / 16) ^ row % 8;  // the 128-byte swizzle
      std::uint32_t pairs[4];
#pragma unroll
      for (int m = 0; m < 4; ++m)
        pairs[m] = pack_pair<Element>(o[j * 4 + m * 2] * factor[m % 2], o[j * 4 + m * 2 + 1] * factor[m % 2]);
      store_matrices(tile + j / 8 * Config::kBlockM * 128 + row * 128 + piece * 16, pairs);
    }
    fence_shared_for_copies();
    named_sync(store_barrier(), 128);
    if (is_leader()) {
      for (int c = 0; c < Config::kChunks; ++c)
        store_box(&args_.o, tile + c * Config::kBlockM * 128, c * 64,
                  at.begin_q + first_query(at), at.head, p_.packed() ? 0 : at.b);
      commit_stores();
    }
    stored_query_ = query_stage;
  }

  /// Keeps what depends on x from being computed ahead and held in registers through the loops.
  __device__ static int opaque(int x) {
    asm volatile("" : "+r"(x));
    return x;
  }

  __device__ int store_barrier() const { return 3 + group_; }
  __device__ bool is_leader() const { return threadIdx.x % 128 == 0; }

  /// Gives the queries' shared memory back once the whole warpgroup is done with it.
  __device__ void release_query(int stage) {
    named_sync(store_barrier(), 128);
    if (is_leader()) s_.q_empty[stage].arrive();
  }
  /// Likewise once the copy engine has read the output that was stored there: a step later, to hide the wait.
  __device__ void release_stored_query() {
    if (stored_query_ < 0) return;
    if (is_leader()) {
      wait_stores_read();
      s_.q_empty[stored_query_].arrive();
    }
    stored_query_ = -1;
  }
  __device__ void finish_stores() {
    if (is_leader()) wait_stores_read();
  }

  const ForwardArgs& args_;
  const AttentionParams& p_;
  Shared& s_;
  int group_, lane_, row_in_tile_;
  int stored_query_ = -1;  ///< query stage whose memory the copy engine still reads
  RingPlace<Config::kQueryStages> q_;
  RingPlace<Config::kKeyStages> k_;
  RingPlace<Config::kValueStages> v_;
  RingPlace<Config::kWorks> work_;
  QueryOperand query_{query_operand()};
  KeyOperand key_{s_.k[0]};
  ValueOperand value_{s_.v[0]};
};

}  // namespace halftone::cuda::sm90
