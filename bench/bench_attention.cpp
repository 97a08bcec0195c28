// The portable kernel, dense and block-sparse, beside the time a BLAS needs for the dense product's arithmetic alone.
// Causal, one head, head dim 128. gflops_kept counts kept blocks only, gflops_dense what dense attention would have
// computed; both count whole blocks, diagonal ones included.
#include <benchmark/benchmark.h>

#include <KokkosBlas3_gemm.hpp>

#include <algorithm>

#include "halftone/kernels/attention.hpp"
#include "halftone/patterns/pattern.hpp"
#include "harness.hpp"
#include "workload.hpp"

namespace halftone::bench {
namespace {

constexpr int kDim = 128;

void set_rates(benchmark::State& state, const Workload& work, std::int64_t kept, std::int64_t visible) {
  using benchmark::Counter;
  const auto rate = [&](std::int64_t blocks) {
    return Counter(work.flops(blocks) * 1e-9, Counter::kIsIterationInvariantRate);
  };
  state.counters["seq"] = static_cast<double>(work.geometry.seq_q);
  state.counters["dim"] = kDim;
  state.counters["kept_blocks"] = static_cast<double>(kept);
  state.counters["density"] = static_cast<double>(kept) / static_cast<double>(visible);
  state.counters["gflops_kept"] = rate(kept);
  state.counters["gflops_dense"] = rate(visible);
  state.counters["peak_mib"] = peak_memory_mib();
}

/// Q K^T and P V of dense causal attention as plain float32 matrix products, 1,024 queries at a time: the arithmetic of
/// attention without its softmax, a bound for any kernel built on the same matrix product.
void gemm_bound(benchmark::State& state) {
  using Matrix = Kokkos::View<float**, Kokkos::LayoutLeft, MemSpace>;
  const std::int64_t n = state.range(0);
  const Workload work(DType::float32, n, kDim);
  // Row-major [n, dim] is column-major [dim, n].
  const auto columns = [&](const Tensor& t) {
    return Kokkos::View<float**, Kokkos::LayoutLeft, MemSpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>>(
        static_cast<float*>(t.data()), kDim, static_cast<std::size_t>(n));
  };
  const auto q = columns(work.q), k = columns(work.k), v = columns(work.v);
  const Matrix out("out", kDim, static_cast<std::size_t>(n));
  const std::int64_t step = std::min<std::int64_t>(n, 1024);
  const Matrix scores("scores", static_cast<std::size_t>(n), static_cast<std::size_t>(step));
  for (auto _ : state) {
    for (std::int64_t first = 0; first < n; first += step) {
      const auto queries = std::make_pair(first, first + step);
      const auto keys = std::make_pair(std::int64_t{0}, first + step);
      const auto s = Kokkos::subview(scores, keys, Kokkos::ALL);
      KokkosBlas::gemm("T", "N", 1.0f, Kokkos::subview(k, Kokkos::ALL, keys), Kokkos::subview(q, Kokkos::ALL, queries),
                       0.0f, s);
      KokkosBlas::gemm("N", "N", 1.0f, Kokkos::subview(v, Kokkos::ALL, keys), s, 0.0f,
                       Kokkos::subview(out, Kokkos::ALL, queries));
    }
    Kokkos::fence();
  }
  const std::int64_t visible = count_visible_blocks(work.geometry);
  set_rates(state, work, visible, visible);
  state.SetLabel("gemm");
}

void attend(benchmark::State& state, const Workload& work, const AttentionOptions& options, std::int64_t kept) {
  std::string kernel;
  for (auto _ : state) kernel = block_sparse_attention(work.q, work.k, work.v, options).kernel;
  set_rates(state, work, kept, count_visible_blocks(work.geometry));
  state.SetLabel(kernel);
}

template <class T>
void dense(benchmark::State& state) {
  const Workload work(dtype_of<T>, state.range(0), kDim);
  AttentionOptions options;
  options.kernel = "portable";
  attend(state, work, options, count_visible_blocks(work.geometry));
}

/// BigBird masks: window, global and random blocks, so that kept blocks lie both near and far.
template <class T>
void sparse(benchmark::State& state) {
  const Workload work(dtype_of<T>, state.range(0), kDim);
  patterns::PatternRequest request;
  request.geometry = work.geometry;
  request.density = static_cast<double>(state.range(1)) / 1000.0;
  const BlockMask mask = patterns::make_mask("bigbird", request);
  AttentionOptions options;
  options.kernel = "portable";
  options.mask = &mask;
  attend(state, work, options, mask.kept());
}

void lengths(benchmark::internal::Benchmark* b) {
  b->ArgName("seq")->RangeMultiplier(2)->Range(1024, 16384)->Unit(benchmark::kMillisecond);
}
void lengths_and_densities(benchmark::internal::Benchmark* b) {
  b->ArgNames({"seq", "permille"})->Unit(benchmark::kMillisecond);
  for (int seq = 2048; seq <= 16384; seq *= 2)
    for (int permille : {50, 100, 250, 500})
      if (seq * permille >= 8192 * 50) b->Args({seq, permille});  // below that the diagonal alone is denser
}

BENCHMARK(gemm_bound)->Apply(lengths);
BENCHMARK(dense<float>)->Apply(lengths);
BENCHMARK(dense<bfloat16>)->Apply(lengths);
BENCHMARK(sparse<float>)->Apply(lengths_and_densities);
BENCHMARK(sparse<bfloat16>)->Apply(lengths_and_densities);

}  // namespace
}  // namespace halftone::bench

int main(int argc, char** argv) { return halftone::bench::run(argc, argv); }
