#include "halftone/eval/quality/evaluation.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "halftone/core/error.hpp"
#include "halftone/eval/quality/token_quality.hpp"

namespace halftone::eval {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

double mean(const auto& values, std::size_t begin, std::size_t end) {
  double sum = 0.0;
  for (std::size_t i = begin; i < end; ++i) sum += values[i];
  return sum / static_cast<double>(end - begin);
}

/// An array over the first axes of (setting, document, ...), filled place by place.
class Filling {
 public:
  Filling(std::string name, std::string units, std::string description,
          std::vector<std::pair<std::string, std::int64_t>> axes) {
    array_.name = std::move(name);
    array_.units = std::move(units);
    array_.description = std::move(description);
    std::int64_t size = 1;
    for (auto& [axis, length] : axes) {
      array_.axes.push_back(axis);
      array_.shape.push_back(length);
      size *= length;
    }
    array_.values.assign(size, kNone);
  }
  double& at(std::initializer_list<std::size_t> place) {
    std::size_t index = 0, axis = 0;
    for (const std::size_t i : place) index = index * array_.shape[axis++] + i;
    return array_.values[index];
  }
  io::NamedArray& array() { return array_; }

 private:
  io::NamedArray array_;
};

class Evaluation {
 public:
  Evaluation(const LlamaModel& model, const std::vector<io::TokenDocument>& documents,
             const std::vector<SparseSetting>& settings, const EvaluationOptions& options)
      : model_(model), documents_(documents), settings_(settings), options_(options), ran_(settings.size()) {
    check();
    for (const io::TokenDocument& document : documents)
      strata_.try_emplace(document.scenario, static_cast<int>(strata_.size()));
  }

  io::EvalFile run() {
    for (std::size_t d = 0; d < documents_.size(); ++d) run_document(d);
    io::EvalFile file;
    file.axes = axes();
    for (Filling* filling : fillings_) file.arrays.push_back(std::move(filling->array()));
    file.summary = summary(file);
    return file;
  }

 private:
  void check() const {
    if (documents_.empty()) throw InvalidArgument("documents", "none", "at least one");
    if (settings_.empty()) throw InvalidArgument("settings", "none", "at least one");
    if (options_.position_bins < 1)
      throw InvalidArgument("position_bins", fmt::format("{}", options_.position_bins), "at least 1");
    for (const io::TokenDocument& document : documents_) {
      if (document.tokens.size() != documents_[0].tokens.size() || document.tokens.size() < 2)
        throw InvalidArgument("document " + document.name, fmt::format("{} tokens", document.tokens.size()),
                              fmt::format("{} as {}, at least 2", documents_[0].tokens.size(), documents_[0].name));
    }
  }

  void run_document(std::size_t d) {
    const io::TokenDocument& document = documents_[d];
    const auto say = [&](std::string_view what) {
      if (options_.progress)
        options_.progress(fmt::format("{} ({} of {}), {}", document.name, d + 1, documents_.size(), what));
    };
    const std::span<const std::int32_t> seen(document.tokens.data(), document.tokens.size() - 1);
    say("dense");
    Kokkos::Timer timer;
    const Matrix dense = model_.forward(seen, dense_attention_by(options_.path, &dense_kernel_));
    Kokkos::fence();
    seconds_dense_.at({d}) = timer.seconds();
    if (options_.measure_heads) record_entropy(d, seen);
    for (std::size_t s = 0; s < settings_.size(); ++s) {
      say(settings_[s].label);
      timer.reset();
      const SparseRun run = run_sparse(model_, seen, settings_[s], {options_.measure_heads, options_.path, {}});
      record_layers(s, d, run);
      if (document.answers.empty())
        record_losses(s, d, dense, run.hidden);
      else
        record_answers(s, d, dense, run.hidden);
      seconds_.at({s, d}) = timer.seconds();
    }
  }

  void record_losses(std::size_t s, std::size_t d, const Matrix& dense, const Matrix& hidden) {
    const std::span<const std::int32_t> targets(documents_[d].tokens.data() + 1, documents_[d].tokens.size() - 1);
    const TokenQuality quality = compare_tokens(model_, dense, hidden, targets);
    const std::size_t n = quality.size(), bins = options_.position_bins;
    const auto increase = [&](std::size_t begin, std::size_t end) {
      return mean(quality.loss, begin, end) - mean(quality.reference_loss, begin, end);
    };
    loss_dense_.at({d}) = mean(quality.reference_loss, 0, n);
    loss_increase_.at({s, d}) = increase(0, n);
    kl_.at({s, d}) = mean(quality.kl, 0, n);
    agreement_.at({s, d}) = mean(quality.agrees, 0, n);
    for (std::size_t b = 0; b < bins; ++b) {
      const std::size_t begin = b * n / bins, end = (b + 1) * n / bins;
      if (begin == end) continue;
      by_position_.at({s, d, b}) = increase(begin, end);
      kl_by_position_.at({s, d, b}) = mean(quality.kl, begin, end);
    }
  }

  void record_answers(std::size_t s, std::size_t d, const Matrix& dense, const Matrix& hidden) {
    const io::TokenDocument& document = documents_[d];
    std::vector<std::int64_t> rows;
    for (const std::int64_t place : document.answers) rows.push_back(place - 1);
    const auto accuracy = [&](const Matrix& states) {
      const std::vector<std::int32_t> first = predictions(model_, states, rows);
      double right = 0.0;
      for (std::size_t i = 0; i < rows.size(); ++i) right += first[i] == document.tokens[document.answers[i]];
      return right / static_cast<double>(rows.size());
    };
    if (s == 0) accuracy_dense_.at({d}) = accuracy(dense);
    accuracy_.at({s, d}) = accuracy(hidden);
  }

  void record_entropy(std::size_t d, std::span<const std::int32_t> seen) {
    const AttentionHook attend = dense_attention_by(options_.path);
    model_.forward(seen, [&](int layer, const Tensor& q, const Tensor& k, const Tensor& v) {
      const LayerTensors in(q, k, v, options_.path.dtype);
      const std::vector<double> entropy = attention_entropy(in.q, in.k, options_.path.kernel);
      for (std::size_t h = 0; h < entropy.size(); ++h)
        entropy_.at({d, static_cast<std::size_t>(layer), h}) = entropy[h];
      return attend(layer, q, k, v);
    });
  }

  void record_quality(std::size_t s, std::size_t d, std::size_t l, const HeadQuality& quality) {
    for (std::size_t h = 0; h < quality.error.size(); ++h) {
      error_.at({s, d, l, h}) = quality.error[h].relative();
      mass_.at({s, d, l, h}) = quality.captured_mass[h];
      recall_.at({s, d, l, h}) = quality.oracle_recall[h];
      cosine_.at({s, d, l, h}) = quality.cosine[h];
      lse_error_.at({s, d, l, h}) = quality.lse_error[h];
      if (quality.log_mass.empty()) continue;
      log_mass_bias_.at({s, d, l, h}) = quality.log_mass[h].bias;
      log_mass_rmse_.at({s, d, l, h}) = quality.log_mass[h].rmse;
    }
  }

  void record_indicator(std::size_t s, std::size_t d, const std::vector<LayerRecord>& layers) {
    for (std::size_t bin = 0; bin < Indicator::kFrom.size(); ++bin) {
      double queries = 0.0, error = 0.0, missed = 0.0;
      for (const LayerRecord& layer : layers) {
        queries += layer.quality.indicator.queries[bin];
        error += layer.quality.indicator.error[bin];
        missed += layer.quality.indicator.missed[bin];
      }
      indicator_queries_.at({s, d, bin}) = queries;
      if (queries == 0.0) continue;
      indicator_error_.at({s, d, bin}) = error / queries;
      indicator_missed_.at({s, d, bin}) = missed / queries;
    }
  }

  void record_layers(std::size_t s, std::size_t d, const SparseRun& run) {
    double select = 0.0, attend = 0.0;
    for (std::size_t l = 0; l < run.layers.size(); ++l) {
      const LayerRecord& layer = run.layers[l];
      select += layer.select_seconds;
      attend += layer.attend_seconds;
      if (!layer.selection.empty()) ran_[s].selections.insert(layer.selection);
      ran_[s].kernels.insert(layer.kernel);
      for (std::size_t h = 0; h < layer.density.size(); ++h) {
        density_.at({s, d, l, h}) = layer.density[h];
        far_mass_.at({s, d, l, h}) = layer.far_mass[h];
      }
      record_quality(s, d, l, layer.quality);
    }
    if (options_.measure_heads) record_indicator(s, d, run.layers);
    select_seconds_.at({s, d}) = select;
    attend_seconds_.at({s, d}) = attend;
  }

  std::vector<io::Axis> axes() const {
    std::vector<std::string> labels, names;
    for (const SparseSetting& setting : settings_) labels.push_back(setting.label);
    for (const io::TokenDocument& document : documents_) names.push_back(document.name);
    const auto numbers = [](std::int64_t n) {
      std::vector<double> values(n);
      for (std::int64_t i = 0; i < n; ++i) values[i] = static_cast<double>(i);
      return values;
    };
    std::vector<double> positions;
    for (int b = 0; b < options_.position_bins; ++b)
      positions.push_back((b + 0.5) * static_cast<double>(documents_[0].tokens.size() - 1) / options_.position_bins);
    return {{"setting", labels, "1", "pattern and density"},
            {"document", names, "1", "documents of the tokens file"},
            {"position", positions, "tokens", "middle of the part of the context"},
            {"layer", numbers(model_.sizes().num_layers), "1", ""},
            {"head", numbers(model_.sizes().num_heads), "1", "query heads"},
            {"far_mass", std::vector<double>(Indicator::kFrom.begin(), Indicator::kFrom.end()), "1",
             "lower end of a bin of queries by their share of the softmax on landmarks"}};
  }

  /// Values [document] or one row of [setting, document], without NaN.
  PairedDifferences row(const io::NamedArray& array, std::size_t s) const {
    PairedDifferences result;
    for (std::size_t d = 0; d < documents_.size(); ++d) {
      const double value = array.values[s * documents_.size() + d];
      if (std::isnan(value)) continue;
      result.values.push_back(value);
      result.stratum.push_back(strata_.at(documents_[d].scenario));
    }
    return result;
  }

  double mean_of(const io::NamedArray& array, std::size_t s) const {
    const PairedDifferences values = row(array, s);
    return values.values.empty() ? kNone : stratified_mean(values);
  }

  double mean_density(const io::NamedArray& density, std::size_t s) const {
    const std::size_t each = density.values.size() / settings_.size();
    return mean(density.values, s * each, (s + 1) * each);
  }

  io::Table summary(const io::EvalFile& file) const {
    const auto array = [&](std::string_view name) -> const io::NamedArray& {
      return *std::find_if(file.arrays.begin(), file.arrays.end(), [&](const auto& a) { return a.name == name; });
    };
    struct Numbers {
      std::vector<double> target, density, increase, low, high, p, equivalence, kl, agreement, accuracy, worst;
      std::vector<double> select, attend, all, perplexity, worst_task;
    } c;
    std::vector<std::string> labels, patterns, selections, kernels, worst_tasks;
    const double dense_loss = mean_of(array("loss_dense"), 0);
    for (std::size_t s = 0; s < settings_.size(); ++s) {
      labels.push_back(settings_[s].label);
      patterns.push_back(settings_[s].pattern);
      c.target.push_back(settings_[s].density);
      c.density.push_back(mean_density(array("density"), s));
      const PairedDifferences increase = row(array("loss_increase"), s);
      const bool losses = !increase.values.empty();
      const std::vector<double> means = losses ? bootstrap_means(increase, options_.resampling) : std::vector<double>{};
      const Interval interval = losses ? percentile_interval(means) : Interval{kNone, kNone};
      c.increase.push_back(losses ? stratified_mean(increase) : kNone);
      c.low.push_back(interval.low);
      c.high.push_back(interval.high);
      c.equivalence.push_back(losses ? equivalence_p(means, options_.margin * dense_loss) : kNone);
      c.p.push_back(losses && s > 0 ? difference_p(array("loss_increase"), s) : kNone);
      c.kl.push_back(mean_of(array("kl"), s));
      c.agreement.push_back(mean_of(array("agreement"), s));
      c.accuracy.push_back(mean_of(array("accuracy"), s));
      const std::vector<double> accuracies = row(array("accuracy"), s).values;
      c.worst.push_back(accuracies.empty() ? kNone : *std::min_element(accuracies.begin(), accuracies.end()));
      const auto [task, task_accuracy] = worst_task(array("accuracy"), s);
      worst_tasks.push_back(task);
      c.worst_task.push_back(task_accuracy);
      c.perplexity.push_back(std::exp(dense_loss + c.increase.back()));
      c.select.push_back(mean_of(array("select_seconds"), s));
      c.attend.push_back(mean_of(array("attend_seconds"), s));
      c.all.push_back(mean_of(array("seconds"), s));
      selections.push_back(fmt::format("{}", fmt::join(ran_[s].selections, ", ")));
      kernels.push_back(fmt::format("{}", fmt::join(ran_[s].kernels, ", ")));
    }
    std::vector<double> family(c.p.begin() + 1, c.p.end());
    if (!family.empty() && !std::isnan(family[0])) family = holm_adjusted(family);
    family.insert(family.begin(), kNone);
    const std::vector<double> dense_accuracy(settings_.size(), mean_of(array("accuracy_dense"), 0));
    const std::vector<double> dense(settings_.size(), dense_loss);
    const std::vector<double> dense_perplexity(settings_.size(), std::exp(dense_loss));
    const std::vector<std::string> dtype(settings_.size(), std::string(name_of(options_.path.dtype)));
    const std::vector<std::string> dense_kernel(settings_.size(), dense_kernel_);
    return {{{"setting", labels, "1", ""},
             {"pattern", patterns, "1", ""},
             {"density_wanted", c.target, "1", "0: a tolerance was given"},
             {"density", c.density, "1", "kept over visible blocks, mean over documents, layers and heads"},
             {"loss_dense", dense, "nats per token", "mean over scenarios"},
             {"loss_increase", c.increase, "nats per token", "over dense attention, mean over scenarios"},
             {"loss_increase_low", c.low, "nats per token", "95 % bootstrap interval over documents"},
             {"loss_increase_high", c.high, "nats per token", "95 % bootstrap interval over documents"},
             {"p_first", c.p, "1", "sign-flip test of the difference to the first setting"},
             {"p_first_holm", family, "1", "the same, adjusted over the settings (Holm)"},
             {"p_equivalence", c.equivalence, "1",
              fmt::format("two one-sided tests: within {} of the dense loss", options_.margin)},
             {"kl", c.kl, "nats per token", "KL(dense || sparse) of the next token"},
             {"agreement", c.agreement, "1", "share of tokens with the same first prediction"},
             {"accuracy_dense", dense_accuracy, "1", "tokens asked for that dense attention puts first"},
             {"accuracy", c.accuracy, "1", "tokens asked for that the model puts first"},
             {"accuracy_worst", c.worst, "1", "of the worst document"},
             {"select_seconds", c.select, "s", "choosing blocks, all layers"},
             {"attend_seconds", c.attend, "s", "attention, all layers"},
             {"seconds", c.all, "s", "a document, from the tokens to the measures"},
             {"attention_dtype", dtype, "1", "of q, k, v and the output of attention"},
             {"selection", selections, "1", "halftone: the selection that ran"},
             {"kernel", kernels, "1", "the attention kernel that ran"},
             {"kernel_dense", dense_kernel, "1", "the one that ran for dense attention"},
             {"perplexity_dense", dense_perplexity, "1", "exp of the mean loss"},
             {"perplexity", c.perplexity, "1", "exp of the mean loss"},
             {"accuracy_worst_task", c.worst_task, "1", "of the task with the lowest mean over its documents"},
             {"worst_task", worst_tasks, "1", ""}}};
  }

  /// The task (scenario) with the lowest mean accuracy, and that accuracy.
  std::pair<std::string, double> worst_task(const io::NamedArray& accuracy, std::size_t s) const {
    std::map<std::string, std::pair<double, int>> sums;
    for (std::size_t d = 0; d < documents_.size(); ++d) {
      const double value = accuracy.values[s * documents_.size() + d];
      if (std::isnan(value)) continue;
      auto& [sum, count] = sums[documents_[d].scenario];
      sum += value;
      ++count;
    }
    std::pair<std::string, double> worst{"", kNone};
    for (const auto& [task, sum] : sums)
      if (!(sum.first / sum.second >= worst.second)) worst = {task, sum.first / sum.second};
    return worst;
  }

  double difference_p(const io::NamedArray& increase, std::size_t s) const {
    PairedDifferences difference = row(increase, s);
    const PairedDifferences first = row(increase, 0);
    for (std::size_t i = 0; i < first.values.size(); ++i) difference.values[i] -= first.values[i];
    return sign_flip_p(difference, options_.resampling);
  }

  const LlamaModel& model_;
  const std::vector<io::TokenDocument>& documents_;
  const std::vector<SparseSetting>& settings_;
  const EvaluationOptions& options_;
  std::map<std::string, int> strata_;
  struct Ran {
    std::set<std::string> selections, kernels;
  };
  std::vector<Ran> ran_;  ///< [setting]
  std::string dense_kernel_;

  using Axes = std::vector<std::pair<std::string, std::int64_t>>;
  std::int64_t number_of_settings() const { return static_cast<std::int64_t>(settings_.size()); }
  Axes document_axis() const { return {{"document", static_cast<std::int64_t>(documents_.size())}}; }
  Axes setting_axes() const { return {{"setting", number_of_settings()}, document_axis()[0]}; }
  Axes position_axes() const {
    Axes axes = setting_axes();
    axes.emplace_back("position", options_.position_bins);
    return axes;
  }
  Axes head_axes() const {
    Axes axes = setting_axes();
    axes.emplace_back("layer", model_.sizes().num_layers);
    axes.emplace_back("head", model_.sizes().num_heads);
    return axes;
  }

  Axes indicator_axes() const {
    Axes axes = setting_axes();
    axes.emplace_back("far_mass", Indicator::kFrom.size());
    return axes;
  }
  Axes dense_head_axes() const {
    const Axes axes = head_axes();
    return {axes.begin() + 1, axes.end()};
  }

  Filling loss_dense_{"loss_dense", "nats per token", "dense attention", document_axis()};
  Filling loss_increase_{"loss_increase", "nats per token", "over dense attention", setting_axes()};
  Filling by_position_{"loss_increase_by_position", "nats per token", "over dense attention", position_axes()};
  Filling kl_by_position_{"kl_by_position", "nats per token", "KL(dense || sparse) of the next token", position_axes()};
  Filling kl_{"kl", "nats per token", "KL(dense || sparse) of the next token", setting_axes()};
  Filling agreement_{"agreement", "1", "share of tokens with the same first prediction", setting_axes()};
  Filling accuracy_dense_{"accuracy_dense", "1", "tokens asked for that dense attention puts first", document_axis()};
  Filling accuracy_{"accuracy", "1", "tokens asked for that the model puts first", setting_axes()};
  Filling density_{"density", "1", "kept over visible blocks", head_axes()};
  Filling far_mass_{"far_mass", "1", "share of the softmax on landmarks, mean over queries", head_axes()};
  Filling error_{"relative_error", "1", "of the head's output, against dense attention of the same inputs",
                 head_axes()};
  Filling mass_{"captured_mass", "1", "share of the dense softmax in kept blocks", head_axes()};
  Filling recall_{"oracle_recall", "1", "of the blocks with the largest true mass, as many in every row as were kept",
                  head_axes()};
  Filling cosine_{"cosine", "1", "of a query's output and that of dense attention, mean over queries", head_axes()};
  Filling lse_error_{"lse_error", "nats", "|lse - lse of dense attention|, mean over queries", head_axes()};
  Filling log_mass_bias_{"log_mass_bias", "nats", "halftone's estimate of a block's log-mass over the true one",
                         head_axes()};
  Filling log_mass_rmse_{"log_mass_rmse", "nats", "the same, root mean square", head_axes()};
  Filling entropy_{"entropy_dense", "nats", "of dense attention, mean over queries", dense_head_axes()};
  Filling indicator_queries_{"indicator_queries", "1", "queries of all layers and heads in the bin", indicator_axes()};
  Filling indicator_error_{"indicator_error", "1", "relative error of their outputs, mean", indicator_axes()};
  Filling indicator_missed_{"indicator_missed", "1", "share of their dense softmax outside the kept blocks, mean",
                            indicator_axes()};
  Filling select_seconds_{"select_seconds", "s", "choosing blocks, all layers", setting_axes()};
  Filling attend_seconds_{"attend_seconds", "s", "attention, all layers", setting_axes()};
  Filling seconds_{"seconds", "s", "from the tokens to the measures", setting_axes()};
  Filling seconds_dense_{"seconds_dense", "s", "the model with dense attention", document_axis()};
  std::vector<Filling*> fillings_{&loss_dense_,
                                  &loss_increase_,
                                  &by_position_,
                                  &kl_,
                                  &agreement_,
                                  &accuracy_dense_,
                                  &accuracy_,
                                  &density_,
                                  &far_mass_,
                                  &error_,
                                  &mass_,
                                  &select_seconds_,
                                  &attend_seconds_,
                                  &seconds_,
                                  &seconds_dense_,
                                  &kl_by_position_,
                                  &recall_,
                                  &cosine_,
                                  &lse_error_,
                                  &log_mass_bias_,
                                  &log_mass_rmse_,
                                  &entropy_,
                                  &indicator_queries_,
                                  &indicator_error_,
                                  &indicator_missed_};
};

}  // namespace

io::EvalFile evaluate(const LlamaModel& model, const std::vector<io::TokenDocument>& documents,
                      const std::vector<SparseSetting>& settings, const EvaluationOptions& options) {
  return Evaluation(model, documents, settings, options).run();
}

}  // namespace halftone::eval
