#include "kernels/problem.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "halftone/core/philox.hpp"
#include "halftone/kernels/reference/reference_attention.hpp"

namespace halftone::testing {
namespace {

constexpr int kPadding = 8;              // elements after each row
constexpr std::int64_t kGuard = 96;      // elements before and after the output
constexpr std::byte kSentinel{0x7b};

HostArray<float> normals(std::int64_t n, std::uint64_t seed, std::uint64_t stream) {
  HostArray<float> out("normals", static_cast<std::size_t>(n));
  const Philox random{seed, stream};
  for (std::int64_t i = 0; i < n; ++i) out(static_cast<std::size_t>(i)) = random.normal(static_cast<std::uint64_t>(i));
  return out;
}

Kokkos::View<std::byte*, HostSpace> stored(const HostArray<float>& values, DType dtype) {
  Kokkos::View<std::byte*, HostSpace> out("stored", values.extent(0) * size_of(dtype));
  dispatch_dtype(dtype, [&](auto t) {
    auto* to = reinterpret_cast<decltype(t)*>(out.data());
    for (std::size_t i = 0; i < values.extent(0); ++i) to[i] = decltype(t)(values(i));
  });
  return out;
}

Kokkos::View<std::byte*, HostSpace> widened(const Kokkos::View<std::byte*, HostSpace>& bytes, DType dtype) {
  Kokkos::View<std::byte*, HostSpace> out("widened", bytes.extent(0) / size_of(dtype) * sizeof(float));
  dispatch_dtype(dtype, [&](auto t) {
    const auto* from = reinterpret_cast<const decltype(t)*>(bytes.data());
    auto* to = reinterpret_cast<float*>(out.data());
    for (std::size_t i = 0; i < out.extent(0) / sizeof(float); ++i) to[i] = static_cast<float>(from[i]);
  });
  return out;
}

template <class T>
HostArray<T> array_of(const std::vector<T>& values) {
  HostArray<T> out("array", values.size());
  for (std::size_t i = 0; i < values.size(); ++i) out(i) = values[i];
  return out;
}

}  // namespace

Problem::Problem(const ProblemShape& shape, DType dtype, std::uint64_t seed) : shape_(shape), dtype_(dtype) {
  const auto total = [&](const std::vector<int>& lengths) {
    if (!shape.packed) return std::int64_t{shape.batch} * lengths[0];
    std::int64_t sum = 0;
    for (int n : lengths) sum += n;
    return sum;
  };
  const auto starts = [](const std::vector<int>& lengths) {
    std::vector<std::int32_t> out{0};
    for (int n : lengths) out.push_back(out.back() + n);
    return array_of(out);
  };
  rows_q_ = total(shape.len_q);
  rows_k_ = total(shape.len_k);
  longest_q_ = *std::max_element(shape.len_q.begin(), shape.len_q.end());
  longest_k_ = *std::max_element(shape.len_k.begin(), shape.len_k.end());
  const std::int64_t width = shape.dim + kPadding;
  q_ = stored(normals(rows_q_ * shape.heads_q * width, seed, 1), dtype);
  const HostArray<float> keys = normals(rows_k_ * shape.heads_kv * width, seed, 2);
  for (std::size_t i = 0; i < keys.extent(0); ++i) keys(i) *= i < keys.extent(0) / 2 ? shape.early_keys : shape.late_keys;
  k_ = stored(keys, dtype);
  v_ = stored(normals(rows_k_ * shape.heads_kv * width, seed, 3), dtype);
  if (shape.packed) {
    starts_q_ = starts(shape.len_q);
    starts_k_ = starts(shape.len_k);
  }
  if (shape.sink) sink_ = normals(shape.heads_q, seed, 4);
  if (shape.mask != MaskHeads::none) fill_mask(seed);
  if (shape.landmarks) fill_landmarks(seed);
}

std::int64_t Problem::sequences() const {
  return shape_.packed ? static_cast<std::int64_t>(shape_.len_q.size()) : shape_.batch;
}
std::int64_t Problem::length_q(std::int64_t b) const {
  return shape_.packed ? shape_.len_q[static_cast<std::size_t>(b)] : shape_.len_q[0];
}

// Every row keeps about half of its blocks, one row in eight none; kinds are random sets of flags.
void Problem::fill_mask(std::uint64_t seed) {
  const Philox random{seed, 5};
  HostBlockMask& m = mask_;
  m.block_q = shape_.block_q;
  m.block_k = shape_.block_k;
  m.tiles = static_cast<std::int32_t>((longest_q_ + m.block_q - 1) / m.block_q);
  m.blocks = static_cast<std::int32_t>((longest_k_ + m.block_k - 1) / m.block_k);
  m.batch = shape_.mask == MaskHeads::shared ? 1 : static_cast<std::int32_t>(sequences());
  m.heads = shape_.mask == MaskHeads::per_head ? shape_.heads_q : shape_.mask == MaskHeads::per_group ? shape_.heads_kv : 1;
  m.window_left = 90;
  m.window_right = 33;
  std::vector<std::int64_t> row_ptr{0};
  std::vector<std::int32_t> col, bits_index;
  std::vector<std::uint8_t> kind;
  std::vector<std::uint64_t> bits;
  std::uint64_t draw = 0;
  for (int row = 0; row < m.batch * m.heads * m.tiles; ++row) {
    const bool empty = random.below(draw++, 8) == 0;
    for (std::int32_t block = 0; block < m.blocks; ++block) {
      if (empty || random.below(draw++, 2)) continue;
      const auto flags = static_cast<std::uint8_t>(random.below(draw++, 16));
      col.push_back(block);
      kind.push_back(flags);
      bits_index.push_back(-1);
      if (!(flags & kBlockBits)) continue;
      const std::size_t words = static_cast<std::size_t>(m.block_q * (m.block_k / 64));
      bits_index.back() = static_cast<std::int32_t>(bits.size() / words);
      for (std::size_t w = 0; w < words; ++w) {
        const Philox::Words r = random(draw++);
        bits.push_back(std::uint64_t{r.w[0]} << 32 | r.w[1]);
      }
    }
    row_ptr.push_back(static_cast<std::int64_t>(col.size()));
  }
  m.row_ptr = array_of(row_ptr);
  m.col_idx = array_of(col);
  m.kind = array_of(kind);
  m.bits_index = array_of(bits_index);
  m.bits = array_of(bits);
}

void Problem::fill_landmarks(std::uint64_t seed) {
  const std::int64_t blocks = (longest_k_ + shape_.block_k - 1) / shape_.block_k;
  const std::int64_t tiles = (longest_q_ + shape_.block_q - 1) / shape_.block_q;
  landmark_key_ = stored(normals(sequences() * shape_.heads_kv * blocks * shape_.dim, seed, 6), dtype_);
  landmark_value_ = stored(normals(sequences() * shape_.heads_kv * blocks * shape_.dim, seed, 7), dtype_);
  bias_ = normals(sequences() * shape_.heads_q * tiles * blocks, seed, 8);
  // Half of the landmarks are switched off one by one, and a third of the runs of 128 as a whole.
  const Philox random{seed, 9}, gates{seed, 10};
  const auto row_length = static_cast<std::size_t>(blocks);
  for (std::size_t i = 0; i < bias_.extent(0); ++i) {
    const std::size_t run = i / row_length << 32 | i % row_length / 128;
    const bool on = random.below(i, 2) && gates.below(run, 3);
    bias_(i) = on ? bias_(i) + 2.0f : -std::numeric_limits<float>::infinity();
  }
}

Problem Problem::in_float32() const {
  Problem wide = *this;
  for (Bytes* bytes : {&wide.q_, &wide.k_, &wide.v_, &wide.landmark_key_, &wide.landmark_value_})
    *bytes = widened(*bytes, dtype_);
  wide.dtype_ = DType::float32;
  return wide;
}

Outputs Problem::run(const KernelFunction& kernel, Memory& memory) const {
  const auto upload = [&](const auto& view) {
    using T = typename std::decay_t<decltype(view)>::value_type;
    return view.extent(0) ? static_cast<T*>(memory.upload(view.data(), view.extent(0) * sizeof(T))) : nullptr;
  };
  const std::int64_t width = shape_.dim + kPadding, row = shape_.heads_q * width, used = rows_q_ * row;
  const Bytes o_host("o", static_cast<std::size_t>(used + 2 * kGuard) * size_of(dtype_));
  for (std::size_t i = 0; i < o_host.extent(0); ++i) o_host(i) = kSentinel;
  const std::size_t rows = static_cast<std::size_t>(rows_q_ * shape_.heads_q);
  const HostArray<float> lse_host("lse", rows), far_host("far", rows);

  AttentionParams p;
  p.q = upload(q_);
  p.k = upload(k_);
  p.v = upload(v_);
  std::byte* const o = upload(o_host);
  p.o = o + kGuard * static_cast<std::int64_t>(size_of(dtype_));
  p.lse = upload(lse_host);
  p.far_mass = upload(far_host);
  p.q_stride = p.o_stride = {longest_q_ * row, width, row};
  p.k_stride = p.v_stride = {longest_k_ * shape_.heads_kv * width, width, shape_.heads_kv * width};
  if (shape_.packed) {
    p.cu_seqlens_q = upload(starts_q_);
    p.cu_seqlens_k = upload(starts_k_);
    p.total_q = rows_q_;
    p.total_k = rows_k_;
  }
  if (shape_.sink) p.sink = upload(sink_);
  if (shape_.mask != MaskHeads::none) {
    p.mask = mask_.view();
    p.mask.row_ptr = upload(mask_.row_ptr);
    p.mask.col_idx = upload(mask_.col_idx);
    p.mask.kind = upload(mask_.kind);
    p.mask.bits_index = upload(mask_.bits_index);
    p.mask.bits = upload(mask_.bits);
  }
  if (shape_.landmarks) {
    p.landmarks.key = upload(landmark_key_);
    p.landmarks.value = upload(landmark_value_);
    p.landmarks.bias = upload(bias_);
    p.landmarks.block_q = shape_.block_q;
    p.landmarks.tiles = static_cast<std::int32_t>((longest_q_ + shape_.block_q - 1) / shape_.block_q);
    p.landmarks.blocks = static_cast<std::int32_t>((longest_k_ + shape_.block_k - 1) / shape_.block_k);
  }
  p.seq_q = longest_q_;
  p.seq_k = longest_k_;
  p.batch = static_cast<std::int32_t>(sequences());
  p.heads_q = shape_.heads_q;
  p.heads_kv = shape_.heads_kv;
  p.dim = shape_.dim;
  p.scale = 1.0f / std::sqrt(static_cast<float>(shape_.dim));
  p.dtype = dtype_;
  p.causal = shape_.causal;
  kernel(p);
  memory.download(o_host.data(), o, o_host.extent(0));
  memory.download(lse_host.data(), p.lse, rows * sizeof(float));
  memory.download(far_host.data(), p.far_mass, rows * sizeof(float));

  Outputs out;
  std::vector<bool> is_output(static_cast<std::size_t>(used + 2 * kGuard), false);
  const Bytes wide = widened(o_host, dtype_);
  const auto* values = reinterpret_cast<const float*>(wide.data());
  std::int64_t begin = 0;
  for (std::int64_t b = 0; b < sequences(); ++b, begin += length_q(b - 1))
    for (std::int64_t h = 0; h < shape_.heads_q; ++h)
      for (std::int64_t i = 0; i < length_q(b); ++i) {
        for (std::int64_t d = 0; d < shape_.dim; ++d) {
          const std::int64_t at = kGuard + (begin + i) * row + h * width + d;
          is_output[static_cast<std::size_t>(at)] = true;
          out.o.push_back(values[at]);
        }
        const auto at = static_cast<std::size_t>(lse_index(p, b, h, begin, i));
        out.lse.push_back(lse_host(at));
        out.far_mass.push_back(far_host(at));
      }
  for (std::size_t i = 0; i < is_output.size(); ++i)
    for (std::size_t byte = 0; byte < size_of(dtype_) && !is_output[i]; ++byte)
      out.guards_intact = out.guards_intact && o_host(i * size_of(dtype_) + byte) == kSentinel;
  return out;
}

Outputs Problem::run_on_host(const KernelFunction& kernel) const {
  KokkosMemory<HostSpace> memory;
  return run(kernel, memory);
}

Outputs Problem::run_on_device(const KernelFunction& kernel) const {
  KokkosMemory<MemSpace> memory;
  return run(kernel, memory);
}

double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0.0, norm = 0.0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const double x = a[i], y = b[i];
    difference += (x - y) * (x - y);
    norm += y * y;
  }
  return norm > 0.0 ? std::sqrt(difference / norm) : std::sqrt(difference);
}

double bound_of(DType dtype) {
  return dtype == DType::float32 ? 1e-5 : dtype == DType::float16 ? 2e-3 : 1.5e-2;
}

void expect_matches_reference(const Problem& problem, const Outputs& got, double kernel_rounding, double tolerance) {
  const KernelFunction oracle = [](const AttentionParams& p) { reference::attention(p); };
  const Outputs truth = problem.in_float32().run_on_host(oracle), rounded = problem.run_on_host(oracle);
  const auto dim = static_cast<std::size_t>(problem.shape().dim);

  EXPECT_TRUE(got.guards_intact);
  double largest = 0.0;  // e^x in float32 loses an ulp for every unit of x
  for (const float lse : truth.lse) largest = std::isinf(lse) ? largest : std::max(largest, std::abs(double(lse)));
  const double error = relative_error(got.o, truth.o);
  EXPECT_LE(error, 2.0 * relative_error(rounded.o, truth.o) + 1e-6 + 0x1p-24 * largest + kernel_rounding);
  EXPECT_LE(error, bound_of(problem.dtype()));
  ASSERT_EQ(got.lse.size(), truth.lse.size());
  for (std::size_t i = 0; i < truth.lse.size(); ++i) {
    if (std::isinf(truth.lse[i])) {
      EXPECT_EQ(got.lse[i], truth.lse[i]) << "row " << i;
      for (std::size_t d = 0; d < dim; ++d) EXPECT_EQ(got.o[i * dim + d], 0.0f) << "row " << i;
    } else {
      EXPECT_NEAR(got.lse[i], truth.lse[i], tolerance * (1.0 + std::abs(truth.lse[i]))) << "row " << i;
    }
    EXPECT_NEAR(got.far_mass[i], truth.far_mass[i], tolerance) << "row " << i;
  }
}

std::vector<ProblemShape> edge_case_shapes() {
  std::vector<ProblemShape> out;
  const auto add = [&](const char* name, auto change) {
    ProblemShape shape;
    shape.name = name;
    change(shape);
    out.push_back(shape);
  };
  add("plain", [](ProblemShape&) {});
  add("not_causal", [](ProblemShape& s) { s.causal = false; });
  for (int dim : {32, 80, 96, 128, 192, 256})
    add(fmt::format("dim_{}", dim).c_str(), [dim](ProblemShape& s) { s.dim = dim; s.len_q = s.len_k = {140}; });
  add("one_token", [](ProblemShape& s) { s.len_q = s.len_k = {1}; });
  add("one_query", [](ProblemShape& s) { s.len_q = {1}; s.len_k = {333}; });
  add("one_key", [](ProblemShape& s) { s.len_q = {130}; s.len_k = {1}; });
  add("one_key_not_causal", [](ProblemShape& s) { s.len_q = {130}; s.len_k = {1}; s.causal = false; });
  add("fewer_queries", [](ProblemShape& s) { s.len_q = {70}; s.len_k = {333}; });
  add("fewer_keys", [](ProblemShape& s) { s.len_q = {333}; s.len_k = {70}; });  // leading queries see nothing
  // Scores of some 30 nats beside scores of one: an online softmax has to move its reference point, or let weights vanish.
  for (int dim : {64, 128}) {
    add(fmt::format("early_keys_dominate_{}", dim).c_str(), [dim](ProblemShape& s) { s.early_keys = 12.0f; s.dim = dim; s.len_q = s.len_k = {700}; });
    add(fmt::format("late_keys_dominate_{}", dim).c_str(), [dim](ProblemShape& s) { s.late_keys = 12.0f; s.dim = dim; s.len_q = s.len_k = {700}; });
  }
  add("exact_tiles", [](ProblemShape& s) { s.len_q = s.len_k = {256}; });
  add("one_past_tile", [](ProblemShape& s) { s.len_q = s.len_k = {257}; });
  add("batch", [](ProblemShape& s) { s.batch = 3; s.len_q = {90}; s.len_k = {150}; });
  add("multi_query", [](ProblemShape& s) { s.heads_q = 5; s.heads_kv = 1; });
  add("multi_head", [](ProblemShape& s) { s.heads_q = s.heads_kv = 3; });
  add("sink", [](ProblemShape& s) { s.sink = true; });
  add("sink_empty_rows", [](ProblemShape& s) { s.sink = true; s.len_q = {200}; s.len_k = {60}; });
  add("packed", [](ProblemShape& s) { s.packed = true; s.len_q = s.len_k = {70, 1, 300, 129}; });
  add("packed_lengths_differ", [](ProblemShape& s) { s.packed = true; s.len_q = {70, 1, 200}; s.len_k = {10, 250, 200}; });
  for (MaskHeads heads : {MaskHeads::shared, MaskHeads::per_group, MaskHeads::per_head})
    for (bool causal : {true, false})
      add(fmt::format("mask_{}_{}", static_cast<int>(heads), causal ? "causal" : "full").c_str(),
          [&](ProblemShape& s) { s.mask = heads; s.causal = causal; s.len_q = s.len_k = {700}; s.heads_q = 2; s.heads_kv = 1; });
  add("mask_batch", [](ProblemShape& s) { s.mask = MaskHeads::per_head; s.batch = 2; s.len_q = {300}; s.len_k = {411}; });
  add("mask_block_128", [](ProblemShape& s) { s.mask = MaskHeads::per_head; s.block_k = 128; s.len_q = s.len_k = {500}; });
  add("mask_tile_64", [](ProblemShape& s) { s.mask = MaskHeads::per_head; s.block_q = 64; s.len_q = s.len_k = {300}; });
  add("mask_tile_100", [](ProblemShape& s) { s.mask = MaskHeads::per_head; s.block_q = 100; s.len_q = s.len_k = {310}; });
  add("mask_tile_256", [](ProblemShape& s) { s.mask = MaskHeads::per_head; s.block_q = 256; s.len_q = s.len_k = {600}; });
  add("mask_packed", [](ProblemShape& s) { s.mask = MaskHeads::per_head; s.packed = true; s.len_q = {70, 1, 300}; s.len_k = {90, 200, 300}; });
  // Lists that groups of heads share, of which there are several (above, one group's lists are one for all).
  for (bool causal : {true, false})
    add(fmt::format("mask_groups_{}", causal ? "causal" : "full").c_str(), [&](ProblemShape& s) {
      s.mask = MaskHeads::per_group;
      s.causal = causal;
      s.batch = 2;
      s.heads_q = 6;
      s.len_q = {300};
      s.len_k = {411};
    });
  add("mask_groups_packed", [](ProblemShape& s) {
    s.mask = MaskHeads::per_group;
    s.packed = true;
    s.len_q = {70, 1, 300};
    s.len_k = {90, 200, 300};
  });
  add("landmarks", [](ProblemShape& s) { s.landmarks = true; });
  add("landmarks_mask_groups", [](ProblemShape& s) {
    s.landmarks = true;
    s.mask = MaskHeads::per_group;
    s.dim = 128;
    s.len_q = s.len_k = {600};
  });
  add("landmarks_mask", [](ProblemShape& s) { s.landmarks = true; s.mask = MaskHeads::per_head; s.len_q = s.len_k = {600}; });
  add("landmarks_packed_sink", [](ProblemShape& s) {
    s.landmarks = s.sink = s.packed = true;
    s.mask = MaskHeads::per_head;
    s.len_q = {150, 40};
    s.len_k = {400, 40};
  });
  add("many_landmarks", [](ProblemShape& s) { s.landmarks = true; s.len_q = {150}; s.len_k = {17000}; s.heads_q = 2; s.heads_kv = 1; s.dim = 32; });
  return out;
}

}  // namespace halftone::testing
