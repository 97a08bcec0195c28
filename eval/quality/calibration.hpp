// Head weights, landmark gates and the tolerance of the halftone pattern, from documents that are never scored.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>
#include <vector>

#include "halftone/eval/quality/attention_path.hpp"
#include "halftone/eval/quality/sparse_run.hpp"
#include "halftone/patterns/halftone/halftone.hpp"

namespace halftone::eval {

/// Says what calibration is at: "document 1 of 3, layer 4". May be empty.
using CalibrationProgress = std::function<void(std::string_view what)>;

struct FittedWeights {
  HeadWeights weights;
  double divergence_before = 0.0, divergence = 0.0;  ///< nats per token, with the weights at the start and at the end
};

/// Q, K, V and the dense output of every layer over calibration documents of one length. Memory: 4 tensors of the
/// path's element type per layer and document.
class CalibrationData {
 public:
  /// Runs the model over the documents, with attention by `path`; its selection is not used: one tolerance over several
  /// layers comes from patterns::select_halftone. Throws InvalidArgument: no documents, documents of different lengths.
  CalibrationData(const LlamaModel& model, const std::vector<std::vector<std::int32_t>>& documents,
                  const CalibrationProgress& progress = {}, const AttentionPath& path = {});

  /// Root mean square over all tokens of what each head adds to the residual stream, over its mean over the model.
  const HeadWeights& head_weights() const { return head_weights_; }

  /// Head weights that also ask what a head's error does to the model: sqrt(w s), both over their means, with w from
  /// head_weights() and s = sqrt(KL / e) for one head at a time sparse and all others dense: e is the squared relative
  /// error of its output, KL the divergence of the next-token distributions from dense attention, means over all
  /// tokens. The sparse outputs are those of each layer at half of `density` (or the least that can be reached) without
  /// weights. Costs num_layers * num_heads forward passes per document, for the documents given at construction.
  HeadWeights sensitive_head_weights(const LlamaModel& model, const std::vector<std::vector<std::int32_t>>& documents,
                                     patterns::HalftoneOptions options, double density,
                                     const CalibrationProgress& progress = {}) const;

  /// Head weights fitted to what they are for: coordinate descent, from `start`, on the mean divergence of the
  /// next-token distributions from those with dense attention, over all tokens of the documents given at construction.
  /// A sweep offers every head twice its weight and half of it, the next one the square root of these factors, and so
  /// on; each offer is tried at the tolerance that keeps the mean density at `density`, with the landmark gates of
  /// `start`. `parameters` are the pattern's (halftone_options). Costs up to 2 num_layers num_heads sweeps sparse
  /// passes per document. Throws InvalidArgument: sweeps below 1, other documents than those given at construction.
  FittedWeights fitted_head_weights(const LlamaModel& model, const std::vector<std::vector<std::int32_t>>& documents,
                                    const nlohmann::json& parameters, double density, const HeadWeights& start,
                                    int sweeps, const CalibrationProgress& progress = {}) const;

  /// The tolerance at which the mean density over documents, layers and heads is `density`, and with
  /// `options.landmarks` the heads whose output error landmarks reduce. options.density and .tolerance are ignored. NaN
  /// for the tolerance where options.scope asks for several: they meet the density on each document by itself.
  Calibration calibrate(patterns::HalftoneOptions options, double density, const HeadWeights& weights,
                        std::int32_t block_k = 64) const;

 private:
  struct Record {
    int layer;
    LayerTensors in;
    Tensor o;
  };
  patterns::HalftoneResult select(patterns::HalftoneOptions options, double density, const HeadWeights& weights,
                                  std::int32_t block_k = 64) const;
  void require_documents(std::size_t count) const;
  AttentionResult attend(const LayerTensors& in, const BlockMask* mask, const Landmarks* landmarks) const;

  AttentionPath path_;
  std::vector<Record> records_;  ///< document by document
  HeadWeights head_weights_;
};

}  // namespace halftone::eval
