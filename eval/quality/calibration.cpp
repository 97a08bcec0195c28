#include "halftone/eval/quality/calibration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "halftone/core/error.hpp"
#include "halftone/eval/quality/token_quality.hpp"
#include "halftone/kernels/attention.hpp"
#include "halftone/patterns/density.hpp"

namespace halftone::eval {
namespace {

/// sqrt of the means of squares, over the mean of all of them; 1 where all are 0.
HeadWeights normalised(HeadWeights squares, double count) {
  double sum = 0.0, heads = 0.0;
  for (auto& layer : squares)
    for (float& w : layer) {
      w = static_cast<float>(std::sqrt(w / count));
      sum += w;
      heads += 1.0;
    }
  for (auto& layer : squares)
    for (float& w : layer) w = sum == 0.0 ? 1.0f : static_cast<float>(w * heads / sum);
  return squares;
}

/// Half of `density` or, where the near field does not allow that, the least that can be reached.
patterns::HalftoneResult select_harshly(const patterns::HalftoneLayer& layer, patterns::HalftoneOptions options,
                                        double density) {
  options.density = 0.5 * density;
  options.tolerance = 0.0;
  options.landmarks = false;
  const MaskGeometry geometry = causal_geometry(*layer.q);
  try {
    return patterns::select_halftone({&layer, 1}, geometry, options);
  } catch (const patterns::UnreachableDensity& unreachable) {
    options.density = unreachable.least;
    return patterns::select_halftone({&layer, 1}, geometry, options);
  }
}

/// `o` [1, heads, seq, dim] with one head of `other`.
Tensor with_head_of(const Tensor& o, const Tensor& other, std::int64_t head) {
  const Tensor mixed("halftone::eval::mixed", o.dtype, o.shape);
  Kokkos::deep_copy(mixed.bytes, o.bytes);
  const std::size_t bytes = o.bytes.extent(0) / o.shape[1];
  const auto range = Kokkos::make_pair(head * bytes, (head + 1) * bytes);
  Kokkos::deep_copy(Kokkos::subview(mixed.bytes, range), Kokkos::subview(other.bytes, range));
  return mixed;
}

double mean_divergence(const LlamaModel& model, const Matrix& dense, const Matrix& changed) {
  const std::vector<std::int32_t> any_target(dense.extent(0), 0);  // the divergence needs none
  const TokenQuality quality = compare_tokens(model, dense, changed, any_target);
  double sum = 0.0;
  for (const float kl : quality.kl) sum += kl;
  return std::max(0.0, sum / static_cast<double>(quality.size()));
}

}  // namespace

CalibrationData::CalibrationData(const LlamaModel& model, const std::vector<std::vector<std::int32_t>>& documents,
                                 const CalibrationProgress& progress, const AttentionPath& path)
    : path_(path) {
  if (documents.empty()) throw InvalidArgument("calibration documents", "none", "at least one");
  head_weights_.assign(model.sizes().num_layers, std::vector<float>(model.sizes().num_heads, 0.0f));
  for (std::size_t d = 0; d < documents.size(); ++d) {
    if (documents[d].size() != documents[0].size())
      throw InvalidArgument("calibration documents",
                            fmt::format("lengths {} and {}", documents[0].size(), documents[d].size()), "one length");
    model.forward(documents[d], [&](int layer, const Tensor& q, const Tensor& k, const Tensor& v) {
      if (progress) progress(fmt::format("document {} of {}, layer {}", d + 1, documents.size(), layer));
      const LayerTensors in(q, k, v, path_.dtype);
      const Tensor o = attend(in, nullptr, nullptr).o, added = in_dtype(o, DType::float32);
      const std::vector<float> norms = model.head_output_norms(layer, added);
      for (std::size_t h = 0; h < norms.size(); ++h) head_weights_[layer][h] += norms[h] * norms[h];
      records_.push_back({layer, in, o});
      return added;
    });
  }
  head_weights_ = normalised(std::move(head_weights_), static_cast<double>(documents.size()));
}

AttentionResult CalibrationData::attend(const LayerTensors& in, const BlockMask* mask,
                                        const Landmarks* landmarks) const {
  AttentionOptions options;
  options.kernel = path_.kernel;
  options.mask = mask;
  options.landmarks = landmarks;
  return block_sparse_attention(in.q, in.k, in.v, options);
}

HeadWeights CalibrationData::sensitive_head_weights(const LlamaModel& model,
                                                    const std::vector<std::vector<std::int32_t>>& documents,
                                                    patterns::HalftoneOptions options, double density,
                                                    const CalibrationProgress& progress) const {
  const std::size_t layers = head_weights_.size(), heads = head_weights_.front().size();
  require_documents(documents.size());
  const AttentionHook dense_by_path = dense_attention_by(path_);
  HeadWeights squares(layers, std::vector<float>(heads, 0.0f));  // of the sensitivity, summed over documents
  for (std::size_t d = 0; d < documents.size(); ++d) {
    const Record* dense = &records_[d * layers];
    const auto run = [&](std::size_t layer, const Tensor& changed) {
      return model.forward(documents[d], [&](int l, const Tensor& q, const Tensor& k, const Tensor& v) {
        const auto at = static_cast<std::size_t>(l);
        if (at > layer) return dense_by_path(l, q, k, v);
        return in_dtype(at < layer ? dense[at].o : changed, DType::float32);
      });
    };
    const Matrix reference = run(layers, {});
    for (std::size_t l = 0; l < layers; ++l) {
      const Record& record = dense[l];
      const patterns::HalftoneLayer input{&record.in.q, &record.in.k, &record.in.v, 0.0f, {}, {}};
      const patterns::HalftoneResult selected = select_harshly(input, options, density);
      const Tensor sparse = attend(record.in, &selected.layers[0].mask, nullptr).o;
      const std::vector<SquaredError> errors = squared_errors(sparse, record.o);
      for (std::size_t h = 0; h < heads; ++h) {
        if (progress) progress(fmt::format("document {} of {}, layer {}, head {}", d + 1, documents.size(), l, h));
        const double error = std::pow(errors[h].relative(), 2);
        if (error == 0.0) continue;  // nothing was left out
        const double kl = mean_divergence(model, reference, run(l, with_head_of(record.o, sparse, h)));
        squares[l][h] += static_cast<float>(kl / error);
      }
    }
  }
  HeadWeights weights = normalised(std::move(squares), static_cast<double>(documents.size()));
  for (std::size_t l = 0; l < layers; ++l)
    for (std::size_t h = 0; h < heads; ++h) weights[l][h] = weights[l][h] * head_weights_[l][h];
  return normalised(std::move(weights), 1.0);
}

void CalibrationData::require_documents(std::size_t count) const {
  const std::size_t expected = records_.size() / head_weights_.size();
  if (count != expected) throw InvalidArgument("documents", fmt::format("{}", count), fmt::format("{}", expected));
}

FittedWeights CalibrationData::fitted_head_weights(const LlamaModel& model,
                                                   const std::vector<std::vector<std::int32_t>>& documents,
                                                   const nlohmann::json& parameters, double density,
                                                   const HeadWeights& start, int sweeps,
                                                   const CalibrationProgress& progress) const {
  require_documents(documents.size());
  if (sweeps < 1) throw InvalidArgument("sweeps", fmt::format("{}", sweeps), "at least 1");
  patterns::HalftoneOptions options = patterns::halftone_options(parameters, density);
  options.landmarks = true;
  SparseSetting setting{"", "halftone", parameters, 0.0, 0, calibrate(options, density, start)};
  options.landmarks = false;  // they make no difference to the tolerance
  RunOptions by_path;
  by_path.path = path_;
  std::vector<Matrix> dense;
  for (const auto& document : documents) dense.push_back(model.forward(document, dense_attention_by(path_)));
  const auto divergence = [&](const HeadWeights& weights) {
    setting.calibration.head_weights = weights;
    setting.calibration.tolerance = select(options, density, weights).tolerance;
    double sum = 0.0;
    for (std::size_t d = 0; d < documents.size(); ++d)
      sum += mean_divergence(model, dense[d], run_sparse(model, documents[d], setting, by_path).hidden);
    return sum / static_cast<double>(documents.size());
  };

  FittedWeights best{start, divergence(start), 0.0};
  best.divergence = best.divergence_before;
  double factor = 2.0;
  for (int sweep = 0; sweep < sweeps; ++sweep, factor = std::sqrt(factor))
    for (std::size_t l = 0; l < start.size(); ++l)
      for (std::size_t h = 0; h < start[l].size(); ++h) {
        if (progress)
          progress(fmt::format("sweep {} of {}, layer {}, head {}, divergence {:.4f}", sweep + 1, sweeps, l, h,
                               best.divergence));
        for (const double by : {factor, 1.0 / factor}) {
          HeadWeights tried = best.weights;
          tried[l][h] *= static_cast<float>(by);
          const double reached = divergence(tried);
          if (!(reached < best.divergence)) continue;
          best.weights = std::move(tried);
          best.divergence = reached;
          break;
        }
      }
  return best;
}

patterns::HalftoneResult CalibrationData::select(patterns::HalftoneOptions options, double density,
                                                 const HeadWeights& weights, std::int32_t block_k) const {
  options.density = density;
  options.tolerance = 0.0;
  std::vector<patterns::HalftoneLayer> inputs;
  for (const Record& record : records_)
    inputs.push_back({&record.in.q,
                      &record.in.k,
                      &record.in.v,
                      0.0f,
                      weights.empty() ? std::vector<float>{} : weights.at(record.layer),
                      {}});
  return patterns::select_halftone(inputs, causal_geometry(records_.front().in.q, block_k), options);
}

Calibration CalibrationData::calibrate(patterns::HalftoneOptions options, double density, const HeadWeights& weights,
                                       std::int32_t block_k) const {
  const patterns::HalftoneResult selected = select(options, density, weights, block_k);
  Calibration calibration{weights, {}, selected.tolerance};
  if (!options.landmarks) return calibration;

  const std::size_t layers = head_weights_.size(), heads = head_weights_.front().size();
  std::vector<std::vector<double>> gain(layers, std::vector<double>(heads, 0.0));  // of squared error
  for (std::size_t i = 0; i < records_.size(); ++i) {
    const Record& record = records_[i];
    const BlockMask& mask = selected.layers[i].mask;
    const auto without = squared_errors(attend(record.in, &mask, nullptr).o, record.o);
    const auto with = squared_errors(attend(record.in, &mask, &*selected.layers[i].landmarks).o, record.o);
    for (std::size_t h = 0; h < heads; ++h) gain[record.layer][h] += without[h].difference - with[h].difference;
  }
  for (const auto& layer : gain) {
    calibration.gates.emplace_back();
    for (const double g : layer) calibration.gates.back().push_back(g > 0.0);
  }
  return calibration;
}

}  // namespace halftone::eval
