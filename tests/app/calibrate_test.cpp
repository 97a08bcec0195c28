// halftone calibrate, and what mask and attend make of its file.
#include <cmath>
#include <nlohmann/json.hpp>

#include "app/program.hpp"
#include "halftone/core/io/attention_file.hpp"
#include "halftone/core/io/calibration_file.hpp"
#include "halftone/core/io/mask_file.hpp"
#include "halftone/core/io/model_file.hpp"
#include "halftone/core/io/tokens_file.hpp"
#include "halftone/eval/model/activations.hpp"
#include "halftone/eval/quality/calibration.hpp"
#include "halftone/patterns/halftone/halftone.hpp"

namespace halftone::testing {
namespace {

using ::testing::HasSubstr;

constexpr int kFailure = 1, kUsage = 2, kLength = 900;

class Calibrate : public CommandTest {
 protected:
  Calibrate() {
    std::vector<io::TokenDocument> documents;
    for (const char* name : {"a", "b"}) {
      std::vector<std::int32_t> tokens(1000);
      for (std::size_t i = 0; i < tokens.size(); ++i)
        tokens[i] = static_cast<std::int32_t>((i * i + 7 * i / (name[0] - 'a' + 2)) % 61);
      documents.push_back({name, "", "", 1000, tokens});
    }
    io::write_tokens(path("tokens.h5"), documents, 0, test_provenance());
  }
  static std::vector<std::string> command(const std::vector<std::string>& more, const std::string& length = "900") {
    std::vector<std::string> all{"calibrate", "--model", HALFTONE_TINY_MODEL, "--tokens", "tokens.h5",
                                 "--out",     "c.h5",    "--length",          length};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  std::vector<std::int32_t> tokens(const std::string& name) const {
    io::TokenDocument document = io::read_document(path("tokens.h5"), name);
    return {document.tokens.begin(), document.tokens.begin() + kLength};
  }
};

TEST_F(Calibrate, InSixteenBits) {
  run_well(command({"--document", "a", "--density", "0.8", "--attention-dtype", "bfloat16", "--kernel", "reference"}));
  const io::CalibrationFile c = io::read_calibration(path("c.h5"));
  const eval::LlamaModel model(io::read_model(HALFTONE_TINY_MODEL));
  const eval::HeadWeights weights = eval::measure_head_weights(model, tokens("a"));
  for (int i = 0; i < 8; ++i) EXPECT_NEAR(c.head_weight[i], weights[i / 4][i % 4], 0.01);
  EXPECT_NE(c.head_weight[0], weights[0][0]);
}

TEST_F(Calibrate, MeasuresWeightsAndTheToleranceOfADocument) {
  const std::string out = run_well(command({"--document", "a", "--density", "0.8", "--param", "micro_block=16"}));
  EXPECT_THAT(out, HasSubstr("c.h5: tolerance "));
  const io::CalibrationFile c = io::read_calibration(path("c.h5"));
  ASSERT_EQ(c.layers, 2);
  ASSERT_EQ(c.heads, 4);
  EXPECT_EQ(c.density, 0.8);
  EXPECT_EQ(nlohmann::json::parse(c.parameters), (nlohmann::json{{"micro_block", 16}}));
  EXPECT_EQ(c.source, "tiny_model.h5 over 900 tokens of a from tokens.h5");

  const eval::LlamaModel model(io::read_model(HALFTONE_TINY_MODEL));
  const eval::HeadWeights weights = eval::measure_head_weights(model, tokens("a"));
  for (int layer = 0; layer < 2; ++layer)
    for (int h = 0; h < 4; ++h) EXPECT_NEAR(c.head_weight[layer * 4 + h], weights[layer][h], 1e-5);

  // The tolerance keeps 80 % of the blocks of both layers.
  const io::ActivationsFile file = eval::store_activations(model, tokens("a"), {{}, -1, DType::float32}, weights);
  std::vector<Tensor> tensors;
  for (const io::ActivationLayer& layer : file.layers)
    for (const HostTensor* t : {&layer.q, &layer.k, &layer.v}) tensors.push_back(to_device(*t));
  std::vector<patterns::HalftoneLayer> layers;
  for (int l = 0; l < 2; ++l)
    layers.push_back({&tensors[3 * l], &tensors[3 * l + 1], &tensors[3 * l + 2], 0.0f, weights[l], {}});
  MaskGeometry geometry;
  geometry.heads = 4;
  geometry.seq_q = geometry.seq_k = kLength;
  patterns::HalftoneOptions options;
  options.micro_block = 16;
  options.density = 0.8;
  EXPECT_NEAR(c.tolerance, patterns::select_halftone(layers, geometry, options).tolerance, 1e-5 * c.tolerance);
}

TEST_F(Calibrate, WeighsBySensitivityWhereAsked) {
  run_well(command({"--document", "a", "--density", "0.8", "--sensitivity"}));
  const io::CalibrationFile c = io::read_calibration(path("c.h5"));
  const eval::LlamaModel model(io::read_model(HALFTONE_TINY_MODEL));
  const std::vector<std::vector<std::int32_t>> documents{tokens("a")};
  const eval::HeadWeights weights =
      eval::CalibrationData(model, documents).sensitive_head_weights(model, documents, {}, 0.8);
  for (int i = 0; i < 8; ++i) EXPECT_NEAR(c.head_weight[i], weights[i / 4][i % 4], 1e-5);
}

TEST_F(Calibrate, FitsWhereAsked) {
  run_well(command({"--document", "a", "--density", "0.8", "--fit", "1"}));
  const io::CalibrationFile c = io::read_calibration(path("c.h5"));
  const eval::LlamaModel model(io::read_model(HALFTONE_TINY_MODEL));
  const std::vector<std::vector<std::int32_t>> documents{tokens("a")};
  const eval::CalibrationData data(model, documents);
  const eval::HeadWeights weights =
      data.fitted_head_weights(model, documents, nlohmann::json::object(), 0.8, data.head_weights(), 1).weights;
  for (int i = 0; i < 8; ++i) EXPECT_NEAR(c.head_weight[i], weights[i / 4][i % 4], 1e-5);
}

TEST_F(Calibrate, AveragesOverDocuments) {
  run_well(command({"--document", "a", "--document", "b", "--density", "0.8"}));
  const io::CalibrationFile c = io::read_calibration(path("c.h5"));
  const eval::LlamaModel model(io::read_model(HALFTONE_TINY_MODEL));
  std::vector<double> squares(8, 0.0);
  for (const char* name : {"a", "b"})
    model.forward(tokens(name), [&](int layer, const Tensor& q, const Tensor& k, const Tensor& v) {
      const Tensor o = eval::dense_attention(layer, q, k, v);
      const std::vector<float> norms = model.head_output_norms(layer, o);
      for (int h = 0; h < 4; ++h) squares[layer * 4 + h] += norms[h] * norms[h] / 2.0;
      return o;
    });
  double mean = 0.0;
  for (const double square : squares) mean += std::sqrt(square) / 8.0;
  for (int i = 0; i < 8; ++i) EXPECT_NEAR(c.head_weight[i], std::sqrt(squares[i]) / mean, 1e-5);
}

TEST_F(Calibrate, GatesAreTheHeadsThatLandmarksHelp) {
  run_well(command({"--document", "a", "--density", "0.8"}));
  const io::CalibrationFile c = io::read_calibration(path("c.h5"));
  run_well({"activations", "--model", HALFTONE_TINY_MODEL, "--tokens", "tokens.h5", "--document", "a", "--length",
            "900", "--dtype", "float32", "--out", "qkv9.h5"});
  // All heads with landmarks (a calibration with every gate on) against none.
  io::CalibrationFile on = c;
  on.gate.assign(on.gate.size(), 1);
  io::write_calibration(path("on.h5"), on, test_provenance());
  const auto errors = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all{"attend", "--pattern",     "halftone",         "--calibration",
                                 "on.h5",  "--activations", "qkv9.h5",          "--out",
                                 "out.h5", "--force",       "--dense-reference"};
    all.insert(all.end(), more.begin(), more.end());
    run_well(all);
    std::vector<double> values;
    for (const io::AttentionLayer& layer : io::read_attention(path("out.h5")))
      values.insert(values.end(), layer.errors[0].values.begin(), layer.errors[0].values.end());
    return values;
  };
  const std::vector<double> without = errors({}), with = errors({"--landmarks"});
  ASSERT_EQ(with.size(), c.gate.size());
  for (std::size_t i = 0; i < with.size(); ++i) EXPECT_EQ(c.gate[i] == 1, with[i] < without[i]) << "head " << i;
}

TEST_F(Calibrate, ItsFileDecidesForMaskAndAttend) {
  io::CalibrationFile c;
  c.layers = 4;
  c.heads = 4;
  c.head_weight = std::vector<float>(16, 1.0f);
  c.head_weight[3 * 4 + 1] = 0.0f;  // layer 3, head 1
  c.gate = std::vector<std::uint8_t>(16, 1);
  c.tolerance = 0.02;
  c.density = 0.5;
  c.parameters = R"({"local_blocks":0,"sink_blocks":0})";
  io::write_calibration(path("c.h5"), c, test_provenance());
  run_well({"mask", "--pattern", "halftone", "--calibration", "c.h5", "--activations", "qkv.h5", "--out", "m.h5"});
  const std::vector<io::MaskLayer> masks = io::read_mask(path("m.h5"));
  ASSERT_EQ(masks.size(), 2u);
  ASSERT_EQ(masks[1].index, 3);
  EXPECT_FLOAT_EQ(nlohmann::json::parse(masks[1].mask.parameters)["tolerance"].get<float>(), 0.02f);
  // A head without weight keeps its diagonal alone: 2, 2 and 1 blocks of the three tiles.
  const auto& row_ptr = masks[1].mask.row_ptr;
  EXPECT_EQ(row_ptr(6) - row_ptr(3), 5);

  run_well({"attend", "--pattern", "halftone", "--calibration", "c.h5", "--density", "0.9", "--landmarks",
            "--activations", "qkv.h5", "--out", "o.h5"});
}

TEST_F(Calibrate, KeepsThatGroupsShareLists) {
  run_well(command({"--document", "a", "--density", "0.8", "--param", "shared_lists=true"}));
  const io::CalibrationFile c = io::read_calibration(path("c.h5"));
  EXPECT_EQ(nlohmann::json::parse(c.parameters), (nlohmann::json{{"shared_lists", true}}));
  run_well({"activations", "--model", HALFTONE_TINY_MODEL, "--tokens", "tokens.h5", "--document", "a", "--length",
            "900", "--dtype", "float32", "--out", "qkv9.h5"});
  run_well({"mask", "--pattern", "halftone", "--calibration", "c.h5", "--activations", "qkv9.h5", "--out", "m.h5"});
  std::int64_t kept = 0, visible = 0;
  for (const io::MaskLayer& layer : io::read_mask(path("m.h5"))) {
    EXPECT_EQ(layer.mask.heads, 2);
    kept += layer.mask.kept();
    visible += layer.mask.visible;
  }
  EXPECT_NEAR(static_cast<double>(kept) / static_cast<double>(visible), 0.8, 0.01);
}

TEST_F(Calibrate, RefusesWhatCannotBe) {
  expect_refused(command({"--document", "none"}), kFailure, HasSubstr("none"));
  expect_refused(command({"--document", "a"}, "2000"), kUsage, HasSubstr("has 1000 tokens"));
  expect_refused(command({"--document", "a", "--density", "1"}), kFailure,
                 HasSubstr("density: got 1, expected one at which blocks with a score above 0 are left out"));
  expect_refused({"attend", "--pattern", "local", "--calibration", "c.h5", "--activations", "qkv.h5", "--out", "o.h5"},
                 kUsage, HasSubstr("--calibration: got pattern local, expected --pattern halftone"));
  io::CalibrationFile c;
  c.layers = 2;  // the activations have a layer 3
  c.heads = 4;
  c.head_weight = std::vector<float>(8, 1.0f);
  c.gate = std::vector<std::uint8_t>(8, 1);
  c.tolerance = c.density = 0.5;
  io::write_calibration(path("small.h5"), c, test_provenance());
  expect_refused(
      {"attend", "--pattern", "halftone", "--calibration", "small.h5", "--activations", "qkv.h5", "--out", "o.h5"},
      kFailure, HasSubstr("calibration: got 2 layers of 4 heads, expected layer 3 and its 4 heads"));
}

}  // namespace
}  // namespace halftone::testing
