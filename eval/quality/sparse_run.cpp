#include "halftone/eval/quality/sparse_run.hpp"

#include <fmt/format.h>

#include <optional>

#include "halftone/core/error.hpp"
#include "halftone/kernels/attention.hpp"
#include "halftone/kernels/halftone_selection.hpp"
#include "halftone/patterns/halftone/halftone.hpp"
#include "halftone/patterns/pattern.hpp"

namespace halftone::eval {
namespace {

struct Selected {
  BlockMask mask;
  std::optional<Landmarks> landmarks;
  std::string selection;
  std::optional<patterns::HalftoneOptions> options;  ///< of halftone
};

Selected select_halftone_layer(const SparseSetting& setting, int layer, const LayerTensors& in,
                               std::string_view selection) {
  const Calibration& calibration = setting.calibration;
  const double density = setting.density == 0.0 && calibration.tolerance < 0.0 ? 1.0 : setting.density;
  patterns::HalftoneOptions options = patterns::halftone_options(setting.parameters, density);
  if (density == 0.0 && calibration.tolerance > 0.0) options.tolerance = calibration.tolerance;
  options.seed = setting.seed + static_cast<std::uint64_t>(layer);  // controls differ by layer
  patterns::HalftoneLayer input{&in.q, &in.k, &in.v, 0.0f, {}, {}};
  if (!calibration.head_weights.empty()) input.head_weight = calibration.head_weights.at(layer);
  if (!calibration.gates.empty()) {
    options.landmarks = true;
    input.gate = calibration.gates.at(layer);
  }
  const MaskGeometry geometry = causal_geometry(in.q, setting.block_k);
  const SelectionEntry& chosen = choose_selection(input, geometry, options, selection);
  patterns::HalftoneResult result = chosen.run(input, geometry, options);
  return {std::move(result.layers[0].mask), std::move(result.layers[0].landmarks), std::string(chosen.name), options};
}

Selected select(const SparseSetting& setting, int layer, const LayerTensors& in, std::string_view selection) {
  if (setting.pattern == "halftone") return select_halftone_layer(setting, layer, in, selection);
  patterns::PatternRequest request;
  request.geometry = causal_geometry(in.q, setting.block_k);
  request.q = &in.q;
  request.k = &in.k;
  request.density = setting.density;
  request.seed = setting.seed;
  return {patterns::make_mask(setting.pattern, request, setting.parameters), std::nullopt, "", std::nullopt};
}

std::vector<double> density_per_head(const BlockMask& mask, std::int64_t heads) {
  const auto row_ptr = Kokkos::create_mirror_view_and_copy(HostSpace{}, mask.row_ptr);
  const double visible = static_cast<double>(mask.visible) / mask.heads;
  std::vector<double> density;
  for (std::int64_t h = 0; h < heads; ++h) {
    const std::int64_t first = mask.view().row(0, h, heads, 0);
    density.push_back(static_cast<double>(row_ptr(first + mask.tiles) - row_ptr(first)) / visible);
  }
  return density;
}

HeadQuality measure_heads(const LayerTensors& in, const Selected& selected, const AttentionResult& sparse,
                          std::int32_t block_k, std::string_view kernel) {
  AttentionOptions attention;
  attention.kernel = kernel;
  const AttentionResult dense = block_sparse_attention(in.q, in.k, in.v, attention);
  const MaskGeometry geometry = causal_geometry(in.q, block_k);
  const QueryQuality queries = compare_queries(sparse, dense);
  HeadQuality quality;
  quality.error = squared_errors(sparse.o, dense.o);
  quality.captured_mass = captured_mass(sparse, dense);
  quality.oracle_recall = oracle_recall(selected.mask, in.q, in.k, dense.lse, geometry);
  quality.cosine = mean_per_head(queries.cosine, in.q.shape);
  quality.lse_error = mean_per_head(queries.lse_error, in.q.shape);
  if (selected.options)
    quality.log_mass = log_mass_errors({&in.q, &in.k, &in.v, 0.0f, {}, {}}, geometry, *selected.options);
  quality.indicator.add(queries);
  return quality;
}

void check_calibration(const LlamaModel& model, const Calibration& calibration) {
  const auto layers = static_cast<std::size_t>(model.sizes().num_layers);
  for (const std::size_t n : {calibration.head_weights.size(), calibration.gates.size()})
    if (n != 0 && n != layers)
      throw InvalidArgument("calibration", fmt::format("{} layers", n), fmt::format("{}, the model's", layers));
}

}  // namespace

MaskGeometry causal_geometry(const Tensor& q, std::int32_t block_k) {
  MaskGeometry geometry;
  geometry.block_k = block_k;
  geometry.heads = static_cast<std::int32_t>(q.shape[1]);
  geometry.seq_q = geometry.seq_k = q.shape[2];
  return geometry;
}

double SparseRun::density() const {
  double sum = 0.0;
  std::size_t count = 0;
  for (const LayerRecord& layer : layers)
    for (const double density : layer.density) sum += density, ++count;
  return count > 0 ? sum / static_cast<double>(count) : 0.0;
}

SparseRun run_sparse(const LlamaModel& model, std::span<const std::int32_t> tokens, const SparseSetting& setting,
                     const RunOptions& options) {
  check_calibration(model, setting.calibration);
  SparseRun run;
  const auto attend = [&](int layer, const Tensor& q, const Tensor& k, const Tensor& v) {
    if (options.progress) options.progress(layer);
    const LayerTensors in(q, k, v, options.path.dtype);
    Kokkos::fence();
    LayerRecord record;
    Kokkos::Timer timer;
    const Selected selected = select(setting, layer, in, options.path.selection);
    Kokkos::fence();
    record.select_seconds = timer.seconds();
    AttentionOptions attention;
    attention.kernel = options.path.kernel;
    attention.mask = &selected.mask;
    if (selected.landmarks) attention.landmarks = &*selected.landmarks;
    timer.reset();
    const AttentionResult sparse = block_sparse_attention(in.q, in.k, in.v, attention);
    record.attend_seconds = timer.seconds();
    record.selection = selected.selection;
    record.kernel = sparse.kernel;
    record.density = density_per_head(selected.mask, q.shape[1]);
    record.far_mass = far_mass_per_head(sparse);
    if (options.measure_heads)
      record.quality = measure_heads(in, selected, sparse, setting.block_k, options.path.kernel);
    run.layers.push_back(std::move(record));
    return in_dtype(sparse.o, DType::float32);
  };
  run.hidden = model.forward(tokens, attend);
  return run;
}

}  // namespace halftone::eval
