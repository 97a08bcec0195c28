#include "halftone/eval/quality/calibration.hpp"

#include <fmt/format.h>

#include <cmath>

#include "halftone/core/error.hpp"
#include "halftone/kernels/attention.hpp"

namespace halftone::eval {
namespace {

MaskGeometry geometry_of(const Tensor& q) {
  MaskGeometry geometry;
  geometry.heads = static_cast<std::int32_t>(q.shape[1]);
  geometry.seq_q = geometry.seq_k = q.shape[2];
  return geometry;
}

/// sqrt of the means of squares, over the mean of all of them.
HeadWeights normalised(HeadWeights squares, double count) {
  double sum = 0.0, heads = 0.0;
  for (auto& layer : squares)
    for (float& w : layer) {
      w = static_cast<float>(std::sqrt(w / count));
      sum += w;
      heads += 1.0;
    }
  for (auto& layer : squares)
    for (float& w : layer) w = static_cast<float>(w * heads / sum);
  return squares;
}

}  // namespace

CalibrationData::CalibrationData(const LlamaModel& model, const std::vector<std::vector<std::int32_t>>& documents,
                                 const CalibrationProgress& progress) {
  if (documents.empty()) throw InvalidArgument("calibration documents", "none", "at least one");
  head_weights_.assign(model.sizes().num_layers, std::vector<float>(model.sizes().num_heads, 0.0f));
  for (std::size_t d = 0; d < documents.size(); ++d) {
    if (documents[d].size() != documents[0].size())
      throw InvalidArgument("calibration documents", fmt::format("lengths {} and {}", documents[0].size(), documents[d].size()),
                            "one length");
    model.forward(documents[d], [&](int layer, const Tensor& q, const Tensor& k, const Tensor& v) {
      if (progress) progress(fmt::format("document {} of {}, layer {}", d + 1, documents.size(), layer));
      const Tensor o = dense_attention(layer, q, k, v);
      const std::vector<float> norms = model.head_output_norms(layer, o);
      for (std::size_t h = 0; h < norms.size(); ++h) head_weights_[layer][h] += norms[h] * norms[h];
      records_.push_back({layer, q, k, v, o});
      return o;
    });
  }
  head_weights_ = normalised(std::move(head_weights_), static_cast<double>(documents.size()));
}

Calibration CalibrationData::calibrate(patterns::HalftoneOptions options, double density,
                                       const HeadWeights& weights) const {
  options.density = density;
  options.tolerance = 0.0;
  std::vector<patterns::HalftoneLayer> inputs;
  for (const Record& record : records_)
    inputs.push_back({&record.q, &record.k, &record.v, 0.0f, weights.empty() ? std::vector<float>{} : weights.at(record.layer), {}});
  const patterns::HalftoneResult selected =
      patterns::select_halftone(inputs, geometry_of(records_.front().q), options);
  Calibration calibration{weights, {}, selected.tolerance};
  if (!options.landmarks) return calibration;

  const std::size_t layers = head_weights_.size(), heads = head_weights_.front().size();
  std::vector<std::vector<double>> gain(layers, std::vector<double>(heads, 0.0));  // of squared error
  for (std::size_t i = 0; i < records_.size(); ++i) {
    const Record& record = records_[i];
    AttentionOptions attention;
    attention.mask = &selected.layers[i].mask;
    const auto without = squared_errors(block_sparse_attention(record.q, record.k, record.v, attention).o, record.o);
    attention.landmarks = &*selected.layers[i].landmarks;
    const auto with = squared_errors(block_sparse_attention(record.q, record.k, record.v, attention).o, record.o);
    for (std::size_t h = 0; h < heads; ++h) gain[record.layer][h] += without[h].difference - with[h].difference;
  }
  for (const auto& layer : gain) {
    calibration.gates.emplace_back();
    for (const double g : layer) calibration.gates.back().push_back(g > 0.0);
  }
  return calibration;
}

}  // namespace halftone::eval
