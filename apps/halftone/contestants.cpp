#include "contestants.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "halftone/eval/quality/attention_quality.hpp"
#include "table.hpp"

namespace halftone::app {

namespace {

constexpr int kRepeats = 2;

// Sums over layers of each repetition's time.
std::vector<double> total_times(const std::vector<TimedAttention>& layers) {
  std::vector<double> totals(layers.front().seconds.size(), 0.0);
  for (const TimedAttention& layer : layers)
    for (std::size_t i = 0; i < totals.size(); ++i) totals[i] += layer.seconds[i];
  return totals;
}

double best_times(const std::vector<TimedAttention>& layers) {
  double sum = 0.0;
  for (const TimedAttention& layer : layers) sum += layer.best();
  return sum;
}

std::string number(double value) { return fmt::format("{:.4f}", value); }

}  // namespace

double DenseRun::seconds() const { return best_times(layers); }

eval::SquaredError PatternRun::error() const {
  eval::SquaredError sum;
  for (const Quality& layer : quality) sum += layer.total;
  return sum;
}

double PatternRun::mass() const {
  double sum = 0.0;
  for (const Quality& layer : quality) sum += layer.mean_mass();
  return sum / static_cast<double>(quality.size());
}

double PatternRun::far_mass() const {
  double sum = 0.0;
  for (const TimedAttention& layer : layers) sum += eval::mean_far_mass(layer.result);
  return sum / static_cast<double>(layers.size());
}

double PatternRun::attend_seconds() const { return best_times(layers); }

DenseRun run_dense(const Activations& activations, Progress& progress) {
  DenseRun run;
  for (const Layer& layer : activations.layers) {
    progress.step(fmt::format("dense attention, layer {}", layer.index));
    run.layers.push_back(attend(activations, layer, nullptr, "auto", kRepeats));
  }
  return run;
}

PatternRun run_pattern(const std::string& label, const PatternChoice& choice, const Activations& activations,
                       const DenseRun& dense, Progress& progress) {
  progress.step(label + ": selecting blocks");
  PatternRun run{label, select_blocks(activations, choice), {}, {}};
  run.selection.seconds = std::min(run.selection.seconds, select_blocks(activations, choice).seconds);
  for (std::size_t l = 0; l < activations.layers.size(); ++l) {
    progress.step(fmt::format("{}: attention, layer {}", label, activations.layers[l].index));
    run.layers.push_back(attend(activations, activations.layers[l], &run.selection.layers[l], "auto", kRepeats));
    run.quality.push_back(compare(run.layers.back().result, dense.layers[l].result));
  }
  return run;
}

std::string comparison_table(const Activations& activations, const DenseRun& dense,
                             const std::vector<PatternRun>& runs) {
  TextTable table{{"pattern", "density", "error", "mass", "select", "attend", "speed-up"}, {}};
  for (const Layer& layer : activations.layers) table.header.push_back(fmt::format("error L{}", layer.index));
  const auto row = [&](const PatternRun& run) {
    std::vector<std::string> cells{run.label,
                                   percent(run.selection.density()),
                                   number(run.error().relative()),
                                   percent(run.mass()),
                                   duration(run.selection.seconds),
                                   duration(run.attend_seconds()),
                                   fmt::format("{:.1f} x", dense.seconds() / run.seconds())};
    for (const Quality& layer : run.quality) cells.push_back(number(layer.total.relative()));
    return cells;
  };
  for (const PatternRun& run : runs) table.rows.push_back(row(run));
  std::vector<std::string> last{"dense", "100 %", number(0.0), "100 %", "-", duration(dense.seconds()), "1.0 x"};
  last.resize(table.header.size(), number(0.0));
  table.rows.push_back(last);
  return table.to_string();
}

io::BenchFile comparison_file(const Activations& activations, const DenseRun& dense,
                              const std::vector<PatternRun>& runs) {
  const Layer& first = activations.layers.front();
  const std::size_t rows = runs.size() + 1;
  std::vector<std::string> pattern{"dense"}, kernel{dense.layers.front().result.kernel};
  std::vector<double> density{1.0}, error{0.0}, mass{1.0}, far_mass{0.0}, select{0.0}, attend{dense.seconds()},
      speedup{1.0};
  io::BenchFile file;
  file.samples.push_back(total_times(dense.layers));
  for (const PatternRun& run : runs) {
    pattern.push_back(run.label);
    kernel.push_back(run.layers.front().result.kernel);
    density.push_back(run.selection.density());
    error.push_back(run.error().relative());
    mass.push_back(run.mass());
    far_mass.push_back(run.far_mass());
    select.push_back(run.selection.seconds);
    attend.push_back(run.attend_seconds());
    speedup.push_back(dense.seconds() / run.seconds());
    file.samples.push_back(total_times(run.layers));
  }
  file.table.columns = {
      {"pattern", pattern, "1", "pattern, dense first"},
      {"kernel", kernel, "1", "attention kernel that ran"},
      {"dtype", std::vector<std::string>(rows, std::string(name_of(first.q.dtype))), "1", "element type of q, k, v"},
      {"seq", std::vector<std::int64_t>(rows, first.q.shape[2]), "tokens", "sequence length"},
      {"dim", std::vector<std::int64_t>(rows, first.q.shape[3]), "1", "head dimension"},
      {"density", density, "1", "kept over visible blocks, all layers"},
      {"relative_error", error, "1", "norm of the difference to dense attention over its norm, all layers and heads"},
      {"captured_mass", mass, "1", "share of the dense softmax in kept blocks, mean over queries, heads and layers"},
      {"far_mass", far_mass, "1", "share of the softmax on landmarks, mean over queries, heads and layers"},
      {"seconds_select", select, "s", "statistics, scoring and selection, best of two"},
      {"seconds_attend", attend, "s", "attention, all layers, best of two per layer"},
      {"speedup", speedup, "1", "dense time over selection and attention"},
  };
  for (std::size_t l = 0; l < activations.layers.size(); ++l) {
    std::vector<double> of_layer{0.0};
    for (const PatternRun& run : runs) of_layer.push_back(run.quality[l].total.relative());
    const int index = activations.layers[l].index;
    file.table.columns.push_back({fmt::format("relative_error_layer_{:02}", index), of_layer, "1",
                                  fmt::format("relative_error of layer {}", index)});
  }
  return file;
}

}  // namespace halftone::app
