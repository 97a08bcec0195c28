// Evaluation and calibration on a tiny model: what is known beforehand, and numbers found another way.
#include "halftone/eval/quality/evaluation.hpp"

#include <fmt/format.h>

#include <array>

#include "halftone/eval/quality/calibration.hpp"
#include "halftone/eval/quality/token_quality.hpp"
#include "halftone/kernels/attention.hpp"
#include "model/tiny_model.hpp"

namespace halftone::testing {
namespace {

using eval::SparseSetting;

constexpr std::int64_t kLength = 1024;

struct Evaluation : ::testing::Test {
  eval::LlamaModel model{tiny_model_file()};

  // Tokens with structure that attention can use: a random word of eight tokens comes back now and then.
  io::TokenDocument document(const std::string& scenario, int seed) const {
    io::TokenDocument result{fmt::format("{}/{:02}", scenario, seed), scenario, "", kLength + 1, {}, {}};
    std::uint32_t state = 12345u + seed;
    for (std::int64_t i = 0; i <= kLength; ++i) {
      state = state * 1664525u + 1013904223u;
      result.tokens.push_back(i % 64 < 8 ? static_cast<std::int32_t>(i % 8 + 1)
                                         : static_cast<std::int32_t>((state >> 8) % model.sizes().vocab_size));
    }
    return result;
  }
  static SparseSetting setting(const std::string& label, const std::string& pattern, double density) {
    SparseSetting result;
    result.label = label;
    result.pattern = pattern;
    result.density = density;
    return result;
  }
  static double at(const io::EvalFile& file, const std::string& column, std::size_t row) {
    return std::get<std::vector<double>>(file.summary.column(column).values)[row];
  }
  static std::string text(const io::EvalFile& file, const std::string& column, std::size_t row) {
    return std::get<std::vector<std::string>>(file.summary.column(column).values)[row];
  }
  static const io::NamedArray& array(const io::EvalFile& file, const std::string& name) {
    for (const io::NamedArray& one : file.arrays)
      if (one.name == name) return one;
    throw std::runtime_error("no array " + name);
  }
};

TEST_F(Evaluation, EveryBlockIsDense) {
  const std::vector<io::TokenDocument> documents{document("a", 0), document("b", 1)};
  eval::EvaluationOptions options;
  options.measure_heads = true;
  const io::EvalFile file = eval::evaluate(model, documents, {setting("all", "dense", 1.0)}, options);
  EXPECT_NEAR(at(file, "loss_increase", 0), 0.0, 1e-6);
  EXPECT_NEAR(at(file, "kl", 0), 0.0, 1e-6);
  EXPECT_EQ(at(file, "agreement", 0), 1.0);
  EXPECT_EQ(at(file, "density", 0), 1.0);
  EXPECT_EQ(at(file, "p_equivalence", 0), 0.0);
  for (const double error : array(file, "relative_error").values) EXPECT_LT(error, 1e-5);
  for (const double mass : array(file, "captured_mass").values) EXPECT_NEAR(mass, 1.0, 1e-4);
  for (const double recall : array(file, "oracle_recall").values) EXPECT_EQ(recall, 1.0);
  for (const double cosine : array(file, "cosine").values) EXPECT_NEAR(cosine, 1.0, 1e-6);
  for (const double error : array(file, "lse_error").values) EXPECT_LT(error, 1e-5);
  for (const double queries : array(file, "indicator_queries").values) EXPECT_EQ(queries, 0.0);
  for (const double bias : array(file, "log_mass_bias").values) EXPECT_TRUE(std::isnan(bias)) << "no estimate";
  EXPECT_NEAR(at(file, "perplexity", 0), std::exp(at(file, "loss_dense", 0)), 1e-3);
}

// With every head on landmarks, the numbers of the evaluation are those of the layers.
TEST_F(Evaluation, HeadsAreMeasuredLayerByLayer) {
  const std::vector<io::TokenDocument> documents{document("a", 0), document("b", 1)};
  SparseSetting setting = this->setting("ours", "halftone", 0.5);
  setting.parameters = {{"sink_blocks", 0}, {"local_blocks", 0}};
  setting.calibration.gates.assign(2, std::vector<bool>(4, true));
  eval::EvaluationOptions options;
  options.measure_heads = true;
  const io::EvalFile file = eval::evaluate(model, documents, {setting}, options);
  std::array<double, 7> queries{}, error{};
  for (std::size_t d = 0; d < 2; ++d) {
    const std::span<const std::int32_t> seen(documents[d].tokens.data(), kLength);
    std::size_t layer = 0;
    std::vector<std::vector<double>> entropy;
    model.forward(seen, [&](int l, const Tensor& q, const Tensor& k, const Tensor& v) {
      entropy.push_back(eval::attention_entropy(q, k));
      return eval::dense_attention(l, q, k, v);
    });
    const eval::SparseRun run = eval::run_sparse(model, seen, setting, {true, {}, {}});
    for (const eval::LayerRecord& record : run.layers) {
      for (std::size_t h = 0; h < 4; ++h) {
        const std::size_t place = (d * 2 + layer) * 4 + h;
        EXPECT_NEAR(array(file, "oracle_recall").values[place], record.quality.oracle_recall[h], 1e-6);
        EXPECT_NEAR(array(file, "cosine").values[place], record.quality.cosine[h], 1e-6);
        EXPECT_NEAR(array(file, "lse_error").values[place], record.quality.lse_error[h], 1e-6);
        EXPECT_NEAR(array(file, "log_mass_bias").values[place], record.quality.log_mass[h].bias, 1e-6);
        EXPECT_NEAR(array(file, "log_mass_rmse").values[place], record.quality.log_mass[h].rmse, 1e-6);
        EXPECT_NEAR(array(file, "entropy_dense").values[place], entropy[layer][h], 1e-6);
      }
      for (std::size_t bin = 0; bin < 7; ++bin) {
        queries[bin] += d == 1 ? record.quality.indicator.queries[bin] : 0.0;
        error[bin] += d == 1 ? record.quality.indicator.error[bin] : 0.0;
      }
      ++layer;
    }
  }
  double all = 0.0;
  for (std::size_t bin = 0; bin < 7; ++bin) {
    EXPECT_EQ(array(file, "indicator_queries").values[7 + bin], queries[bin]);
    if (queries[bin] > 0.0)
      EXPECT_NEAR(array(file, "indicator_error").values[7 + bin], error[bin] / queries[bin], 1e-12);
    all += queries[bin];
  }
  EXPECT_GT(all, kLength);  // of two layers of four heads, those queries that see more than their own tile's blocks
  EXPECT_EQ(array(file, "indicator_missed").axes.back(), "far_mass");
}

// The blocks of the mask are as long as asked, and the tolerance of every row meets the density by itself.
TEST_F(Evaluation, BlockSizeAndScope) {
  const io::TokenDocument one = document("a", 0);
  SparseSetting wide = setting("wide", "halftone", 0.6), rows = setting("rows", "halftone", 0.6);
  wide.block_k = 128;
  wide.parameters = {{"sink_blocks", 0}, {"local_blocks", 0}};
  rows.parameters = {{"sink_blocks", 0}, {"local_blocks", 0}, {"scope", "row"}};
  const std::span<const std::int32_t> seen(one.tokens.data(), kLength);
  for (const SparseSetting& setting : {wide, rows})
    for (const eval::LayerRecord& layer : eval::run_sparse(model, seen, setting).layers)
      for (const double density : layer.density) {
        // Of a head's 36 blocks of 128 keys, or 72 of 64.
        const double blocks = density * (setting.block_k == 128 ? 36 : 72);
        EXPECT_NEAR(blocks, std::round(blocks), 1e-9);
        if (setting.block_k == 64) EXPECT_NEAR(density, 0.6, 0.02) << "a head of its own";
      }
  EXPECT_EQ(eval::causal_geometry(Tensor("q", DType::float32, {1, 4, kLength, 8}), 128).blocks(), 8);
}

TEST_F(Evaluation, NumbersAreThoseOfTheParts) {
  const std::vector<io::TokenDocument> documents{document("a", 0), document("a", 1), document("b", 2)};
  const SparseSetting local = setting("local", "local", 0.5), random = setting("random", "bigbird", 0.5);
  const io::EvalFile file = eval::evaluate(model, documents, {local, random});
  for (std::size_t s = 0; s < 2; ++s) {
    std::vector<double> increase;
    for (const io::TokenDocument& d : documents) {
      const std::span<const std::int32_t> seen(d.tokens.data(), kLength), next(d.tokens.data() + 1, kLength);
      const eval::TokenQuality quality = eval::compare_tokens(
          model, model.forward(seen), eval::run_sparse(model, seen, s == 0 ? local : random).hidden, next);
      double sum = 0.0;
      for (std::size_t i = 0; i < quality.size(); ++i) sum += double(quality.loss[i]) - quality.reference_loss[i];
      increase.push_back(sum / kLength);
      EXPECT_NEAR(array(file, "loss_increase").values[s * 3 + increase.size() - 1], increase.back(), 1e-6);
    }
    const double mean = ((increase[0] + increase[1]) / 2 + increase[2]) / 2;
    EXPECT_NEAR(at(file, "loss_increase", s), mean, 1e-6);
    EXPECT_LE(at(file, "loss_increase_low", s), mean + 1e-9);
    EXPECT_GE(at(file, "loss_increase_high", s), mean - 1e-9);
    double by_position = 0.0;
    double kl_by_position = 0.0;
    for (int b = 0; b < 8; ++b) {
      by_position += array(file, "loss_increase_by_position").values[s * 24 + b] / 8;
      kl_by_position += array(file, "kl_by_position").values[s * 24 + b] / 8;
    }
    EXPECT_NEAR(by_position, increase[0], 1e-6);  // of the first document
    EXPECT_NEAR(kl_by_position, array(file, "kl").values[s * 3], 1e-6);
    EXPECT_NEAR(at(file, "density", s), 0.5, 0.05);
  }
  EXPECT_TRUE(std::isnan(at(file, "p_first", 0)));
  EXPECT_GE(at(file, "p_first_holm", 1), at(file, "p_first", 1));
}

TEST_F(Evaluation, SixteenBitAttentionIsCloseAndPairedWithItsOwnDense) {
  const std::vector<io::TokenDocument> documents{document("a", 0)};
  const std::vector<SparseSetting> settings{setting("all", "dense", 1.0), setting("local", "local", 0.5)};
  const io::EvalFile exact = eval::evaluate(model, documents, settings);
  for (const DType dtype : {DType::float16, DType::bfloat16}) {
    eval::EvaluationOptions options;
    options.path.dtype = dtype;
    options.measure_heads = true;
    const io::EvalFile file = eval::evaluate(model, documents, settings, options);
    const double loss = at(exact, "loss_dense", 0), rounding = dtype == DType::bfloat16 ? 0x1p-8 : 0x1p-11;
    EXPECT_NE(at(file, "loss_dense", 0), loss);
    EXPECT_NEAR(at(file, "loss_dense", 0), loss, rounding * loss);
    EXPECT_NEAR(at(file, "loss_increase", 1), at(exact, "loss_increase", 1), rounding * loss);
    EXPECT_NEAR(at(file, "loss_increase", 0), 0.0, rounding * loss);
    EXPECT_LT(array(file, "relative_error").values[0], rounding);
    EXPECT_EQ(text(file, "attention_dtype", 0), name_of(dtype));
  }
}

TEST_F(Evaluation, SaysWhatRanAndHowLong) {
  const std::vector<io::TokenDocument> documents{document("a", 0)};
  eval::EvaluationOptions options;
  options.path.selection = "kokkos";
  options.path.kernel = "portable";
  const std::vector<SparseSetting> settings{setting("ours", "halftone", 0.6), setting("local", "local", 0.5)};
  const io::EvalFile file = eval::evaluate(model, documents, settings, options);
  EXPECT_EQ(text(file, "selection", 0), "kokkos");
  EXPECT_EQ(text(file, "selection", 1), "");  // a pattern of its own
  for (const char* column : {"kernel", "kernel_dense"}) EXPECT_EQ(text(file, column, 1), "portable");
  EXPECT_EQ(text(file, "attention_dtype", 1), "float32");
  EXPECT_GT(array(file, "seconds_dense").values[0], 0.0);
  for (std::size_t s = 0; s < 2; ++s) {
    EXPECT_GT(at(file, "seconds", s), at(file, "select_seconds", s) + at(file, "attend_seconds", s));
    EXPECT_EQ(array(file, "seconds").values[s], at(file, "seconds", s));
  }
  options.path.kernel = "none";
  EXPECT_THAT(refusal([&] { eval::evaluate(model, documents, settings, options); }), ::testing::HasSubstr("got none"));
  options.path.kernel = "auto";
  options.path.selection = "none";
  EXPECT_THAT(refusal([&] { eval::evaluate(model, documents, settings, options); }), ::testing::HasSubstr("got none"));
}

TEST_F(Evaluation, ListsThatGroupsShareCountForEachOfTheirHeads) {
  SparseSetting shared = setting("shared", "halftone", 0.6);
  shared.parameters = {{"sink_blocks", 0}, {"local_blocks", 0}, {"shared_lists", true}};
  std::vector<std::int32_t> tokens = document("a", 0).tokens;
  tokens.pop_back();
  const eval::SparseRun run = eval::run_sparse(model, tokens, shared);
  ASSERT_EQ(model.sizes().num_heads, 2 * model.sizes().num_kv_heads);
  for (const eval::LayerRecord& layer : run.layers) {
    ASSERT_EQ(layer.density.size(), 4u);
    EXPECT_EQ(layer.density[0], layer.density[1]);
    EXPECT_EQ(layer.density[2], layer.density[3]);
    EXPECT_NE(layer.density[1], layer.density[2]);
  }
  EXPECT_NEAR(run.density(), 0.6, 0.02);
}

TEST_F(Evaluation, AnswersAreCounted) {
  io::TokenDocument asks = document("task", 0);
  asks.answers = {100, 500, 900};
  const auto says = [&] {
    const std::vector<std::int64_t> rows{99, 499, 899};
    return eval::predictions(model, model.forward({asks.tokens.data(), kLength}), rows);
  };
  const double first_right = says()[0] == asks.tokens[100];
  asks.tokens[500] = static_cast<std::int32_t>((says()[1] + 1) % model.sizes().vocab_size);  // wrong
  asks.tokens[900] = says()[2];                                                              // right
  const io::EvalFile file = eval::evaluate(model, {asks}, {setting("all", "dense", 1.0)});
  EXPECT_NEAR(at(file, "accuracy_dense", 0), (first_right + 1.0) / 3.0, 1e-12);
  EXPECT_NEAR(at(file, "accuracy", 0), (first_right + 1.0) / 3.0, 1e-12);
  EXPECT_NEAR(at(file, "accuracy_worst", 0), (first_right + 1.0) / 3.0, 1e-12);
  EXPECT_TRUE(std::isnan(at(file, "loss_increase", 0)));
}

TEST_F(Evaluation, TheWorstTaskIsThatOfTheLowestMean) {
  std::vector<io::TokenDocument> tasks{document("easy", 0), document("easy", 1), document("hard", 2)};
  for (io::TokenDocument& task : tasks) task.answers = {500};
  const auto says = [&](const io::TokenDocument& task) {
    const std::vector<std::int64_t> rows{499};
    return eval::predictions(model, model.forward({task.tokens.data(), kLength}), rows)[0];
  };
  const auto wrong = [&](const io::TokenDocument& task) {
    return (says(task) + 1) % std::int32_t(model.sizes().vocab_size);
  };
  tasks[0].tokens[500] = says(tasks[0]);
  tasks[1].tokens[500] = wrong(tasks[1]);
  tasks[2].tokens[500] = says(tasks[2]);
  const io::EvalFile file = eval::evaluate(model, tasks, {setting("all", "dense", 1.0)});
  EXPECT_EQ(text(file, "worst_task", 0), "easy");
  EXPECT_EQ(at(file, "accuracy_worst_task", 0), 0.5);
  EXPECT_EQ(at(file, "accuracy", 0), 0.75);  // the mean of the tasks'
}

TEST_F(Evaluation, CalibrationMeetsTheDensityAndChoosesHeads) {
  std::vector<std::vector<std::int32_t>> documents;
  for (int seed : {5, 6}) {
    documents.push_back(document("a", seed).tokens);
    documents.back().pop_back();
  }
  const eval::CalibrationData data(model, documents);
  double sum = 0.0;
  std::size_t heads = 0;
  for (const auto& layer : data.head_weights())
    for (const float w : layer) sum += w, ++heads;
  EXPECT_NEAR(sum / static_cast<double>(heads), 1.0, 1e-5);

  patterns::HalftoneOptions options;
  options.landmarks = true;
  const eval::Calibration calibration = data.calibrate(options, 0.6, data.head_weights());
  EXPECT_GT(calibration.tolerance, 0.0);
  ASSERT_EQ(calibration.gates.size(), static_cast<std::size_t>(model.sizes().num_layers));
  SparseSetting calibrated = setting("", "halftone", 0.0);
  calibrated.calibration = {data.head_weights(), {}, calibration.tolerance};
  double density = 0.0;
  for (const auto& tokens : documents) density += eval::run_sparse(model, tokens, calibrated).density() / 2;
  EXPECT_NEAR(density, 0.6, 0.1);  // the sparse model's own activations differ from the dense ones
  const eval::CalibrationData rounded(model, documents, {}, {DType::bfloat16, "auto", "auto"});
  const double tolerance = rounded.calibrate(options, 0.6, rounded.head_weights()).tolerance;
  options.scope = patterns::ToleranceScope::head;
  EXPECT_TRUE(std::isnan(data.calibrate(options, 0.6, data.head_weights()).tolerance));
  options = {};
  options.sink_blocks = options.local_blocks = 0;
  SparseSetting wide = setting("", "halftone", 0.0);
  wide.parameters = {{"sink_blocks", 0}, {"local_blocks", 0}};
  wide.block_k = 128;
  wide.calibration = data.calibrate(options, 0.6, data.head_weights(), 128);
  EXPECT_NEAR(eval::run_sparse(model, documents[0], wide).density(), 0.6, 0.1);
  EXPECT_NE(tolerance, calibration.tolerance);
  EXPECT_NEAR(tolerance, calibration.tolerance, 0.02 * calibration.tolerance);
  documents[1].pop_back();
  EXPECT_NE(refusal([&] { eval::CalibrationData(model, documents); }), "");
  EXPECT_NE(refusal([&] { eval::CalibrationData(model, {}); }), "");
}

TEST_F(Evaluation, FittedWeightsBringTheModelNearer) {
  std::vector<std::vector<std::int32_t>> documents{document("a", 7).tokens};
  documents[0].pop_back();
  const eval::CalibrationData data(model, documents);
  const nlohmann::json parameters{{"sink_blocks", 0}, {"local_blocks", 0}};
  const eval::FittedWeights fitted =
      data.fitted_head_weights(model, documents, parameters, 0.6, data.head_weights(), 2);
  EXPECT_LT(fitted.divergence, fitted.divergence_before);

  // Both divergences by whole evaluations, with the gates of the weights at the start.
  patterns::HalftoneOptions options = patterns::halftone_options(parameters, 0.6);
  options.landmarks = true;
  const auto gates = data.calibrate(options, 0.6, data.head_weights()).gates;
  const eval::Matrix dense = model.forward(documents[0]);
  const std::vector<std::int32_t> targets(documents[0].size(), 1);
  const auto divergence = [&](const eval::HeadWeights& weights) {
    eval::SparseSetting setting{"", "halftone", parameters, 0.0, 0, data.calibrate(options, 0.6, weights)};
    setting.calibration.gates = gates;
    const eval::TokenQuality quality =
        eval::compare_tokens(model, dense, eval::run_sparse(model, documents[0], setting).hidden, targets);
    double sum = 0.0;
    for (const float kl : quality.kl) sum += kl;
    return sum / static_cast<double>(quality.size());
  };
  EXPECT_NEAR(fitted.divergence_before, divergence(data.head_weights()), 1e-4 * fitted.divergence_before);
  EXPECT_NEAR(fitted.divergence, divergence(fitted.weights), 1e-4 * fitted.divergence_before);
  EXPECT_NE(refusal([&] { data.fitted_head_weights(model, {}, parameters, 0.6, data.head_weights(), 1); }), "");
  EXPECT_NE(refusal([&] { data.fitted_head_weights(model, documents, parameters, 0.6, data.head_weights(), 0); }), "");
}

TEST_F(Evaluation, SensitiveWeightsCountTheModelsDivergence) {
  std::vector<std::vector<std::int32_t>> documents{document("a", 7).tokens};
  documents[0].pop_back();
  const eval::CalibrationData data(model, documents);
  patterns::HalftoneOptions options;
  options.sink_blocks = 0;
  options.local_blocks = 0;
  const eval::HeadWeights weights = data.sensitive_head_weights(model, documents, options, 0.6);
  ASSERT_EQ(weights.size(), 2u);

  // Another way: whole sparse layers by the pattern's own entry point, one head of which is let through.
  const eval::Matrix dense = model.forward(documents[0]);
  const std::vector<std::int32_t> targets(documents[0].size(), 1);
  std::vector<double> expected;
  double mean_sensitivity = 0.0;
  for (int layer = 0; layer < 2; ++layer)
    for (int head = 0; head < 4; ++head) {
      double error = 0.0, size = 0.0;
      const eval::Matrix changed =
          model.forward(documents[0], [&](int at, const Tensor& q, const Tensor& k, const Tensor& v) {
            const Tensor whole = eval::dense_attention(at, q, k, v);
            if (at != layer) return whole;
            MaskGeometry geometry;
            geometry.heads = 4;
            geometry.seq_q = geometry.seq_k = q.shape[2];
            const patterns::HalftoneLayer input{&q, &k, &v, 0.0f, {}, {}};
            patterns::HalftoneOptions harsh = options;
            harsh.density = 0.3;
            const auto selected = patterns::select_halftone({&input, 1}, geometry, harsh);
            AttentionOptions attention;
            attention.mask = &selected.layers[0].mask;
            const HostTensor sparse = to_host(block_sparse_attention(q, k, v, attention).o);
            HostTensor mixed = to_host(whole);
            auto* to = static_cast<float*>(mixed.data());
            const auto* from = static_cast<const float*>(sparse.data());
            const std::size_t each = mixed.size() / 4;
            for (std::size_t i = head * each; i < (head + 1) * each; ++i) {
              error += std::pow(double(from[i]) - to[i], 2);
              size += std::pow(double(to[i]), 2);
              to[i] = from[i];
            }
            return to_device(mixed);
          });
      const eval::TokenQuality quality = eval::compare_tokens(model, dense, changed, targets);
      double kl = 0.0;
      for (const float value : quality.kl) kl += value / static_cast<double>(quality.size());
      expected.push_back(std::sqrt(kl / (error / size)));
      mean_sensitivity += expected.back() / 8;
    }
  double mean = 0.0;
  for (int i = 0; i < 8; ++i) {
    expected[i] = std::sqrt(expected[i] / mean_sensitivity * data.head_weights()[i / 4][i % 4]);
    mean += expected[i] / 8;
  }
  for (int i = 0; i < 8; ++i) EXPECT_NEAR(weights[i / 4][i % 4], expected[i] / mean, 0.02) << i;
  EXPECT_NE(refusal([&] { data.sensitive_head_weights(model, {}, options, 0.6); }), "");
}

TEST_F(Evaluation, RefusesWhatDoesNotFit) {
  const SparseSetting all = setting("all", "dense", 1.0);
  std::vector<io::TokenDocument> documents{document("a", 0), document("a", 1)};
  EXPECT_NE(refusal([&] { eval::evaluate(model, {}, {all}); }), "");
  EXPECT_NE(refusal([&] { eval::evaluate(model, documents, {}); }), "");
  SparseSetting short_of_layers = all;
  short_of_layers.calibration.head_weights = {{1.0f}};
  EXPECT_NE(refusal([&] { eval::evaluate(model, documents, {short_of_layers}); }), "");
  documents[1].tokens.pop_back();
  EXPECT_NE(refusal([&] { eval::evaluate(model, documents, {all}); }), "");
}

}  // namespace
}  // namespace halftone::testing
