// Generating masks: every pattern, causal, one head of dim 128, at 10 % density from 8,192 tokens on and at as many
// blocks per row below (where 10 % is less than what some patterns always keep), or as near as the pattern gets;
// data-dependent ones read random activations.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>

#include "halftone/patterns/density.hpp"
#include "halftone/patterns/pattern.hpp"
#include "harness.hpp"
#include "workload.hpp"

namespace halftone::bench {
namespace {

void generate(benchmark::State& state, const patterns::PatternInfo* pattern) {
  const Workload work(DType::float32, state.range(0), 128);
  patterns::PatternRequest request;
  request.geometry = work.geometry;
  request.q = &work.q;
  request.k = &work.k;
  const std::string name(pattern->name);
  if (name != "dense" && name != "causal") request.density = std::clamp(819.2 / static_cast<double>(state.range(0)), 0.1, 0.8);
  try {
    patterns::make_mask(name, request);
  } catch (const patterns::UnreachableDensity& range) {
    request.density = std::clamp(request.density, range.least, range.most);
  }
  std::int64_t kept = 0;
  double density = 0.0;
  for (auto _ : state) {
    const BlockMask mask = patterns::make_mask(name, request);
    Kokkos::fence();
    kept = mask.kept();
    density = mask.density();
  }
  state.counters["seq"] = static_cast<double>(state.range(0));
  state.counters["kept_blocks"] = static_cast<double>(kept);
  state.counters["density"] = density;
  state.counters["peak_mib"] = peak_memory_mib();
  state.SetLabel(name);
}

}  // namespace
}  // namespace halftone::bench

int main(int argc, char** argv) {
  for (const auto& pattern : halftone::patterns::pattern_table())
    benchmark::RegisterBenchmark(("generate/" + std::string(pattern.name)).c_str(), halftone::bench::generate, &pattern)
        ->ArgName("seq")
        ->RangeMultiplier(2)
        ->Range(1024, 16384)
        ->Unit(benchmark::kMillisecond);
  return halftone::bench::run(argc, argv);
}
