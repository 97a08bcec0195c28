// A model with sparse attention over one document.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "halftone/core/block_mask.hpp"
#include "halftone/eval/model/activations.hpp"
#include "halftone/eval/model/llama.hpp"
#include "halftone/eval/quality/attention_path.hpp"
#include "halftone/eval/quality/attention_quality.hpp"
#include "halftone/eval/quality/query_quality.hpp"
#include "halftone/eval/quality/selector_quality.hpp"

namespace halftone::eval {

/// What calibration on documents that are never scored has fixed. Empty or 0: not fixed.
struct Calibration {
  HeadWeights head_weights;              ///< [layers][heads]
  std::vector<std::vector<bool>> gates;  ///< [layers][heads] landmarks on
  double tolerance = 0.0;                ///< -1: every block (patterns::HalftoneResult); NaN: several, as if not fixed
};

/// A pattern with its settings, the same in every layer.
struct SparseSetting {
  std::string label;    ///< for people
  std::string pattern;  ///< from patterns::pattern_table()
  nlohmann::json parameters = nlohmann::json::object();
  double density = 0.0;  ///< of every layer; 0: as the parameters or the calibrated tolerance say
  std::uint64_t seed = 0;
  Calibration calibration;    ///< for halftone
  std::int32_t block_k = 64;  ///< keys per block of the mask
};

/// What a layer's attention is against dense attention of the same inputs; vectors per query head.
struct HeadQuality {
  std::vector<SquaredError> error;
  std::vector<double> captured_mass, oracle_recall;
  std::vector<double> cosine, lse_error;  ///< means over queries (QueryQuality)
  std::vector<LogMassError> log_mass;     ///< of halftone's estimate; empty for other patterns
  Indicator indicator;                    ///< over all heads
};

/// What one layer did; vectors per query head.
struct LayerRecord {
  std::vector<double> density, far_mass;
  HeadQuality quality;  ///< empty unless measured
  double select_seconds = 0.0, attend_seconds = 0.0;
  std::string selection;  ///< of halftone, the selection that ran; empty for other patterns
  std::string kernel;     ///< the kernel that ran
};

struct SparseRun {
  Matrix hidden;  ///< final hidden states, [tokens, hidden_size]
  std::vector<LayerRecord> layers;

  double density() const;  ///< mean over layers and heads
};

/// Of a layer's masks: causal, one sequence, for the query heads of q [1, heads, seq, dim].
MaskGeometry causal_geometry(const Tensor& q, std::int32_t block_k = 64);

struct RunOptions {
  bool measure_heads = false;  ///< also dense attention in every layer, for HeadQuality
  AttentionPath path;
  LayerProgress progress;
};

/// Throws as the model, the pattern and the kernels do, and InvalidArgument: calibration of another shape.
SparseRun run_sparse(const LlamaModel& model, std::span<const std::int32_t> tokens, const SparseSetting& setting,
                     const RunOptions& options = {});

}  // namespace halftone::eval
