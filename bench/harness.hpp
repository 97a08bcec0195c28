// What the benchmark programs share: start-up, the configuration in the context, results as HDF5 beside JSON.
#pragma once

#include <functional>
#include <vector>

namespace halftone::bench {

double median(std::vector<double> values);

/// Runs the registered benchmarks: Google Benchmark's flags, plus
///   --halftone_hdf5=FILE  writes one row per benchmark (its counters as columns, median seconds) and every repetition
///                         as a raw sample, kind "bench".
/// Restarts the program once with a single OpenBLAS thread, and with the AVX-512 kernels where the processor has them
/// (OpenBLAS 0.3.21 takes some such processors for a Prescott, a quarter of the speed); OPENBLAS_* variables that are
/// set already stay. `setup` runs with Kokkos initialised, before the benchmarks; it may register more of them.
/// Returns the exit status.
int run(int argc, char** argv, const std::function<void()>& setup = {});

}  // namespace halftone::bench
