#include "results.hpp"

#include <numeric>

namespace halftone::app {

namespace {

std::vector<float> to_vector(const Array<float>& values) {
  const auto host = Kokkos::create_mirror_view_and_copy(HostSpace{}, values);
  return {host.data(), host.data() + host.extent(0)};
}

}  // namespace

double Quality::mean_mass() const {
  return std::accumulate(mass.begin(), mass.end(), 0.0) / static_cast<double>(mass.size());
}

Quality compare(const AttentionResult& sparse, const AttentionResult& dense) {
  Quality quality{eval::squared_errors(sparse.o, dense.o), eval::captured_mass(sparse, dense), {}};
  for (const eval::SquaredError& error : quality.errors) quality.total += error;
  return quality;
}

io::AttentionLayer to_file(const Layer& layer, const LayerSelection& selection, const TimedAttention& timed) {
  io::AttentionLayer file;
  file.index = layer.index;
  file.o = to_host(timed.result.o);
  file.lse = to_vector(timed.result.lse);
  file.far_mass = to_vector(timed.result.far_mass);
  file.pattern = selection.mask.pattern;
  file.kernel = timed.result.kernel;
  file.density = selection.mask.density();
  file.seconds = timed.best();
  return file;
}

void add_errors(io::AttentionLayer& layer, const Quality& quality) {
  const io::Shape heads{static_cast<std::int64_t>(quality.errors.size())};
  std::vector<double> relative;
  for (const eval::SquaredError& error : quality.errors) relative.push_back(error.relative());
  layer.errors.push_back(
      {"relative_l2", heads, relative, "1", "norm of the difference to dense attention over its norm, per head", {}});
  layer.errors.push_back({"captured_mass",
                          heads,
                          quality.mass,
                          "1",
                          "share of the dense softmax in kept blocks, mean over queries, per head",
                          {}});
}

}  // namespace halftone::app
