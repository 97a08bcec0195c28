// Settings of sparse attention compared on documents, with the statistics that say how sure a difference is.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "halftone/core/io/eval_file.hpp"
#include "halftone/core/io/tokens_file.hpp"
#include "halftone/eval/quality/sparse_run.hpp"
#include "halftone/eval/statistics/paired.hpp"

namespace halftone::eval {

struct EvaluationOptions {
  int position_bins = 8;       ///< equal parts of the context
  bool measure_heads = false;  ///< HeadQuality of every layer and head: a dense pass per layer, true block masses
  double margin = 0.005;       ///< equivalent to dense: a loss increase below this share of the dense loss
  Resampling resampling = {};
  AttentionPath path = {};                              ///< of every setting and of dense attention alike
  std::function<void(std::string_view what)> progress;  ///< "books/00 (1 of 6), halftone 10 %"; may be empty
};

/// Runs every setting over every document of equal length, and dense attention for reference.
///
/// Documents that ask nothing give losses: axes setting, document, position (bin), layer, head; arrays
///   loss_dense [document], loss_increase, kl, agreement [setting, document],
///   loss_increase_by_position [setting, document, position], and
///   kl_by_position likewise,
///   density, far_mass [setting, document, layer, head],
///   select_seconds, attend_seconds [setting, document].
/// With measure_heads also, against dense attention of the same inputs,
///   relative_error, cosine, lse_error, captured_mass, oracle_recall [setting, document, layer, head] and, of halftone,
///   log_mass_bias, log_mass_rmse; entropy_dense [document, layer, head];
///   indicator_queries, indicator_error, indicator_missed [setting, document, far_mass]: the queries on landmarks in
///   bins by far_mass, how many there are and the means of what far_mass indicates (Indicator).
/// All documents give seconds [setting, document] and seconds_dense [document], from the tokens to the measures.
/// Documents with answers give accuracy [setting, document], the share of the tokens asked for that the model puts
/// first given those before them, and accuracy_dense [document]. What does not apply to a document is NaN.
/// The summary has one row per setting: means over scenarios of the means of their documents, the loss increase with
/// its 95 % bootstrap interval, the sign-flip p-value of the difference to the first setting with Holm's adjustment
/// over the settings, the p-value of equivalence to dense within the margin, the selections and kernels that ran, the
/// accuracy of the worst document and of the worst task (scenario).
/// Throws InvalidArgument: no document, no setting, documents of different lengths; and as run_sparse does.
io::EvalFile evaluate(const LlamaModel& model, const std::vector<io::TokenDocument>& documents,
                      const std::vector<SparseSetting>& settings, const EvaluationOptions& options = {});

}  // namespace halftone::eval
