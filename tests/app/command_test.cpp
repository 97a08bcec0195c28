// The commands on good input: what they print and write, against the library called directly and naive sums.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "app/program.hpp"
#include "canvas.hpp"
#include "halftone/core/io/attention_file.hpp"
#include "halftone/core/io/eval_file.hpp"
#include "halftone/core/io/mask_file.hpp"
#include "halftone/core/io/tokens_file.hpp"
#include "halftone/kernels/attention.hpp"
#include "halftone/patterns/halftone/halftone.hpp"
#include "halftone/patterns/pattern.hpp"

namespace halftone::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Command : public CommandTest {};

template <class View>
auto values(const View& view) {
  return std::vector<typename View::non_const_value_type>(view.data(), view.data() + view.extent(0));
}

void expect_same(const HostBlockMask& a, const HostBlockMask& b) {
  EXPECT_EQ(values(a.row_ptr), values(b.row_ptr));
  EXPECT_EQ(values(a.col_idx), values(b.col_idx));
  EXPECT_EQ(values(a.kind), values(b.kind));
}

MaskGeometry geometry() {
  MaskGeometry geometry;
  geometry.heads = 4;
  geometry.seq_q = geometry.seq_k = 300;
  return geometry;
}

// Softmax probabilities of query i of a head, in double.
std::vector<double> probabilities(const io::ActivationLayer& layer, int head, int i) {
  const auto* q = static_cast<const float*>(layer.q.data()) + (head * 300 + i) * 32;
  const auto* k = static_cast<const float*>(layer.k.data()) + (head / 2) * 300 * 32;
  std::vector<double> p;
  double largest = -1e300, sum = 0.0;
  for (int j = 0; j <= i; ++j) {
    double dot = 0.0;
    for (int d = 0; d < 32; ++d) dot += static_cast<double>(q[d]) * k[j * 32 + d];
    p.push_back(layer.scale * dot);
    largest = std::max(largest, p.back());
  }
  for (double& x : p) sum += x = std::exp(x - largest);
  for (double& x : p) x /= sum;
  return p;
}

TEST_F(Command, HelpAndVersion) {
  EXPECT_THAT(run_well({"--version"}), ::testing::MatchesRegex("halftone [0-9]+\\.[0-9]+\\.[0-9]+[^\n]*\n"));
  const std::string help = run_well({"--help"});
  for (const char* command : {"demo", "mask", "attend", "activations", "eval", "list", "inspect"}) {
    EXPECT_THAT(help, HasSubstr(command));
    EXPECT_THAT(run_well({command, "--help"}), HasSubstr(command));
  }
  EXPECT_THAT(help, HasSubstr("Examples:"));
}

TEST_F(Command, ListNamesEverything) {
  const std::string list = run_well({"list"});
  for (const patterns::PatternInfo& pattern : patterns::pattern_table()) {
    EXPECT_THAT(list, HasSubstr("  " + std::string(pattern.name)));
    EXPECT_THAT(list, HasSubstr(std::string(pattern.summary)));
    for (const auto& parameter : pattern.parameters)
      EXPECT_THAT(list, HasSubstr(std::string(parameter.name) + " = " + std::string(parameter.default_value)));
  }
  for (const KernelEntry& kernel : kernel_table()) EXPECT_THAT(list, HasSubstr("  " + std::string(kernel.name)));
  EXPECT_THAT(list, HasSubstr("bfloat16: available"));
}

TEST_F(Command, InspectShowsTheTree) {
  const std::string tree = run_well({"inspect", "qkv.h5"});
  for (const char* part : {"activations", "layer_01", "layer_03", "[1, 4, 300, 32]", "float32", "scale"})
    EXPECT_THAT(tree, HasSubstr(part));
  EXPECT_EQ(tree.back(), '\n');
}

TEST_F(Command, MaskForSizes) {
  const std::string out = run_well({"mask", "--pattern", "bigbird", "--param", "random=1", "--seed", "7", "--seq",
                                    "300", "--heads", "4", "--out", "mask.h5", "--png", "mask.png"});
  EXPECT_THAT(out, HasSubstr("mask: mask.h5"));
  EXPECT_THAT(out, HasSubstr("picture: mask.png"));
  const auto layers = io::read_mask(path("mask.h5"));
  ASSERT_EQ(layers.size(), 1u);
  patterns::PatternRequest request;
  request.geometry = geometry();
  request.seed = 7;
  expect_same(layers[0].mask, to_host(patterns::make_mask("bigbird", request, nlohmann::json{{"random", 1}})));
  EXPECT_EQ(layers[0].mask.pattern, "bigbird");
  EXPECT_TRUE(app::is_own_png(path("mask.png")));
}

TEST_F(Command, MaskNotCausal) {
  run_well({"mask", "--pattern", "dense", "--no-causal", "--seq", "300", "--out", "mask.h5"});
  EXPECT_EQ(io::read_mask(path("mask.h5"))[0].mask.kept(), 3 * 5);
  run_well({"mask", "--pattern", "dense", "--seq", "300", "--out", "mask.h5", "--force"});
  EXPECT_EQ(io::read_mask(path("mask.h5"))[0].mask.kept(), 2 + 4 + 5);
}

TEST_F(Command, MaskOfOneLayerOfActivations) {
  run_well({"mask", "--pattern", "mean_topk", "--density", "0.9", "--activations", "qkv.h5", "--layer", "3", "--out",
            "mask.h5"});
  const auto layers = io::read_mask(path("mask.h5"));
  ASSERT_EQ(layers.size(), 1u);
  EXPECT_EQ(layers[0].index, 3);
  const io::ActivationLayer layer = activations().layers[1];
  const Tensor q = to_device(layer.q), k = to_device(layer.k);
  patterns::PatternRequest request;
  request.geometry = geometry();
  request.q = &q;
  request.k = &k;
  request.scale = layer.scale;
  request.density = 0.9;
  expect_same(layers[0].mask, to_host(patterns::make_mask("mean_topk", request)));
}

// One tolerance over both layers, with the head weights of the file.
TEST_F(Command, HalftoneSelectsOverAllLayers) {
  const std::string out =
      run_well({"mask", "--pattern", "halftone", "--density", "0.8", "--param", "sink_blocks=0", "--param",
                "local_blocks=0", "--param", "micro_block=16", "--activations", "qkv.h5", "--out", "mask.h5"});
  EXPECT_THAT(out, HasSubstr("tolerance "));
  const io::ActivationsFile file = activations();
  std::vector<Tensor> tensors;
  for (const auto& layer : file.layers) {
    tensors.push_back(to_device(layer.q));
    tensors.push_back(to_device(layer.k));
  }
  std::vector<patterns::HalftoneLayer> layers(2);
  for (std::size_t l = 0; l < 2; ++l) {
    layers[l].q = &tensors[2 * l];
    layers[l].k = &tensors[2 * l + 1];
    layers[l].scale = file.layers[l].scale;
    layers[l].head_weight = file.layers[l].head_weight;
  }
  patterns::HalftoneOptions options;
  options.density = 0.8;
  options.sink_blocks = options.local_blocks = 0;
  options.micro_block = 16;
  const auto expected = patterns::select_halftone(layers, geometry(), options);
  const auto masks = io::read_mask(path("mask.h5"));
  ASSERT_EQ(masks.size(), 2u);
  EXPECT_EQ(masks[1].index, 3);
  for (std::size_t l = 0; l < 2; ++l) expect_same(masks[l].mask, to_host(expected.layers[l].mask));
}

TEST_F(Command, GroupsShareListsWhereAsked) {
  const std::vector<std::string> shared{"--pattern", "halftone",          "--density",     "0.8",
                                        "--param",   "sink_blocks=0",     "--param",       "local_blocks=0",
                                        "--param",   "shared_lists=true", "--activations", "qkv.h5"};
  const auto with = [&](std::vector<std::string> all) {
    all.insert(all.end(), shared.begin(), shared.end());
    return all;
  };
  run_well(with({"mask", "--out", "mask.h5", "--png", "mask.png"}));
  const auto masks = io::read_mask(path("mask.h5"));
  ASSERT_EQ(masks.size(), 2u);
  for (const io::MaskLayer& layer : masks) EXPECT_EQ(layer.mask.heads, 2);
  run_well(with({"attend", "--dense-reference", "--out", "selected.h5"}));
  run_well({"attend", "--mask", "mask.h5", "--activations", "qkv.h5", "--dense-reference", "--out", "given.h5"});
  const auto selected = io::read_attention(path("selected.h5")), given = io::read_attention(path("given.h5"));
  for (std::size_t l = 0; l < 2; ++l) {
    EXPECT_EQ(selected[l].density, given[l].density);
    EXPECT_EQ(selected[l].errors[0].values, given[l].errors[0].values);
  }
  expect_refused({"mask", "--pattern", "halftone", "--density", "0.8", "--param", "shared_lists=2", "--activations",
                  "qkv.h5", "--out", "bad.h5"},
                 1, HasSubstr("parameter shared_lists of pattern halftone: got 2, expected true or false"));
}

TEST_F(Command, AttendWithoutSparsityIsExact) {
  const std::string out =
      run_well({"attend", "--pattern", "causal", "--activations", "qkv.h5", "--dense-reference", "--out", "out.h5"});
  EXPECT_THAT(out, HasSubstr("density 100.0 %"));
  const auto layers = io::read_attention(path("out.h5"));
  ASSERT_EQ(layers.size(), 2u);
  for (std::size_t l = 0; l < 2; ++l) {
    EXPECT_EQ(layers[l].pattern, "causal");
    EXPECT_EQ(layers[l].kernel, "portable");
    EXPECT_GT(layers[l].seconds, 0.0);
    EXPECT_TRUE(layers[l].far_mass.empty());
    ASSERT_EQ(layers[l].errors.size(), 2u);
    for (const double error : layers[l].errors[0].values) EXPECT_LT(error, 1e-5);
    for (const double mass : layers[l].errors[1].values) EXPECT_NEAR(mass, 1.0, 1e-5);
  }
  // One query by hand.
  const io::ActivationLayer input = activations().layers[1];
  const auto p = probabilities(input, 3, 123);
  const auto* v = static_cast<const float*>(input.v.data()) + 1 * 300 * 32;
  double o = 0.0;
  for (int j = 0; j <= 123; ++j) o += p[static_cast<std::size_t>(j)] * v[j * 32 + 5];
  EXPECT_NEAR(static_cast<const float*>(layers[1].o.data())[(3 * 300 + 123) * 32 + 5], o, 1e-5);
}

TEST_F(Command, AttendReportsErrorAndMass) {
  run_well({"attend", "--pattern", "local", "--param", "window=1", "--param", "sink_blocks=0", "--activations",
            "qkv.h5", "--layer", "1", "--dense-reference", "--out", "sparse.h5"});
  run_well({"attend", "--pattern", "causal", "--activations", "qkv.h5", "--layer", "1", "--kernel", "reference",
            "--out", "dense.h5"});
  const io::AttentionLayer sparse = io::read_attention(path("sparse.h5"))[0],
                           dense = io::read_attention(path("dense.h5"))[0];
  EXPECT_EQ(dense.kernel, "reference");
  ASSERT_EQ(sparse.errors.size(), 2u);
  EXPECT_EQ(sparse.errors[0].name, "relative_l2");
  EXPECT_EQ(sparse.errors[1].name, "captured_mass");
  const io::ActivationLayer input = activations().layers[0];

  run_well({"mask", "--pattern", "local", "--param", "window=1", "--param", "sink_blocks=0", "--activations", "qkv.h5",
            "--layer", "1", "--out", "mask.h5"});
  const HostBlockMask mask = io::read_mask(path("mask.h5"))[0].mask;
  const BlockMaskView view = mask.view();
  for (int head = 0; head < 4; ++head) {
    double difference = 0.0, reference = 0.0, mass = 0.0;
    const auto *o = static_cast<const float*>(sparse.o.data()), *full = static_cast<const float*>(dense.o.data());
    for (int i = head * 300 * 32; i < (head + 1) * 300 * 32; ++i) {
      difference += (static_cast<double>(o[i]) - full[i]) * (static_cast<double>(o[i]) - full[i]);
      reference += static_cast<double>(full[i]) * full[i];
    }
    for (int i = 0; i < 300; ++i) {
      const auto p = probabilities(input, head, i);
      const auto row = view.row(0, head, 4, i / 128);
      for (auto e = mask.row_ptr(row); e < mask.row_ptr(row + 1); ++e)
        for (int j = mask.col_idx(e) * 64; j < std::min((mask.col_idx(e) + 1) * 64, i + 1); ++j)
          if (view.allows(e, i, j, 300, 300)) mass += p[static_cast<std::size_t>(j)];
    }
    EXPECT_NEAR(sparse.errors[0].values[static_cast<std::size_t>(head)], std::sqrt(difference / reference), 1e-4);
    EXPECT_NEAR(sparse.errors[1].values[static_cast<std::size_t>(head)], mass / 300.0, 1e-5);
  }
}

TEST_F(Command, AttendOverAMaskFileIsAttendOverItsPattern) {
  run_well({"mask", "--pattern", "bigbird", "--density", "0.7", "--activations", "qkv.h5", "--out", "mask.h5"});
  run_well({"attend", "--mask", "mask.h5", "--activations", "qkv.h5", "--out", "by_mask.h5"});
  run_well({"attend", "--pattern", "bigbird", "--density", "0.7", "--activations", "qkv.h5", "--out", "by_pattern.h5"});
  const auto a = io::read_attention(path("by_mask.h5")), b = io::read_attention(path("by_pattern.h5"));
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t l = 0; l < a.size(); ++l) {
    EXPECT_EQ(a[l].lse, b[l].lse);
    EXPECT_EQ(a[l].density, b[l].density);
    EXPECT_TRUE(std::equal(static_cast<const float*>(a[l].o.data()),
                           static_cast<const float*>(a[l].o.data()) + a[l].o.size(),
                           static_cast<const float*>(b[l].o.data())));
  }
}

TEST_F(Command, OneMaskServesEveryLayer) {
  run_well({"mask", "--pattern", "local", "--seq", "300", "--heads", "1", "--out", "mask.h5"});
  run_well({"attend", "--mask", "mask.h5", "--activations", "qkv.h5", "--out", "out.h5"});
  EXPECT_EQ(io::read_attention(path("out.h5")).size(), 2u);
}

TEST_F(Command, LandmarksGiveFarMass) {
  const std::vector<std::string> attend{"attend",  "--pattern",         "halftone", "--density",      "0.7",
                                        "--param", "sink_blocks=0",     "--param",  "local_blocks=0", "--activations",
                                        "qkv.h5",  "--dense-reference", "--out"};
  auto with = attend, without = attend;
  with.insert(with.end(), {"with.h5", "--landmarks"});
  without.push_back("without.h5");
  run_well(with);
  run_well(without);
  const auto a = io::read_attention(path("with.h5")), b = io::read_attention(path("without.h5"));
  double far = 0.0;
  for (std::size_t l = 0; l < 2; ++l) {
    EXPECT_EQ(a[l].far_mass.size(), a[l].lse.size());
    for (const float mass : a[l].far_mass) far += mass;
    EXPECT_TRUE(b[l].far_mass.empty());
    // The kept blocks are the same, and so is what they catch.
    for (std::size_t head = 0; head < 4; ++head)
      EXPECT_NEAR(a[l].errors[1].values[head], b[l].errors[1].values[head], 1e-4);
  }
  EXPECT_GT(far, 0.0);
}

TEST_F(Command, PackedSequences) {
  io::ActivationsFile file = activations();
  file.cu_seqlens = {0, 130, 300};
  io::write_activations(path("packed.h5"), file, test_provenance());
  run_well({"mask", "--pattern", "halftone", "--density", "0.9", "--param", "sink_blocks=0", "--param",
            "local_blocks=0", "--activations", "packed.h5", "--out", "mask.h5", "--png", "mask.png"});
  EXPECT_EQ(io::read_mask(path("mask.h5"))[0].mask.batch, 2);
  run_well({"attend", "--mask", "mask.h5", "--activations", "packed.h5", "--dense-reference", "--out", "out.h5"});
  run_well({"attend", "--pattern", "causal", "--activations", "packed.h5", "--dense-reference", "--out", "full.h5"});
  for (const io::AttentionLayer& layer : io::read_attention(path("full.h5")))
    for (const double error : layer.errors[0].values) EXPECT_LT(error, 1e-5);
}

TEST_F(Command, ActivationsOfAModel) {
  std::vector<std::int32_t> tokens(64);
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<std::int32_t>((7 * i) % 11);
  io::write_tokens(path("tokens.h5"), {{"a", "", "", 64, tokens}}, 0, test_provenance());
  const std::string out = run_well({"activations", "--model",    HALFTONE_TINY_MODEL,
                                    "--tokens",    "tokens.h5",  "--document",
                                    "a",           "--offset",   "3",
                                    "--length",    "20",         "--layers",
                                    "1",           "--kv-group", "0",
                                    "--dtype",     "float16",    "--calibration",
                                    "a",           "--out",      "new.h5"});
  EXPECT_THAT(out, HasSubstr("new.h5"));
  const io::ActivationsFile file = io::read_activations(path("new.h5"));
  ASSERT_EQ(file.layers.size(), 1u);
  EXPECT_EQ(file.layers[0].index, 1);
  EXPECT_EQ(file.layers[0].q.dtype, DType::float16);
  EXPECT_EQ(file.layers[0].q.shape[2], 20);
  EXPECT_EQ(file.layers[0].k.shape[1], 1);
  EXPECT_EQ(static_cast<std::int64_t>(file.layers[0].head_weight.size()), file.layers[0].q.shape[1]);
  EXPECT_EQ(file.tokens, std::vector<std::int32_t>(tokens.begin() + 3, tokens.begin() + 23));
  EXPECT_EQ(file.source, "20 tokens of a from tokens.h5");
}

TEST_F(Command, EvaluatesPatternsOnAModel) {
  std::vector<std::int32_t> tokens(1025);
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<std::int32_t>(i * i % 59);
  io::write_tokens(path("tokens.h5"), {{"a/00", "a", "", 0, tokens}, {"b/00", "b", "", 0, tokens}}, 0,
                   test_provenance());
  io::write_tokens(path("tasks.h5"), {{"task", "", "", 0, tokens, {700, 900}}}, 0, test_provenance());
  const std::string out = run_well({"eval",
                                    "--model",
                                    HALFTONE_TINY_MODEL,
                                    "--tokens",
                                    "tokens.h5",
                                    "--documents",
                                    "a/00",
                                    "--tasks",
                                    "tasks.h5",
                                    "--calibration",
                                    "b/00",
                                    "--length",
                                    "1024",
                                    "--pattern",
                                    "halftone:landmarks=true,micro_block=8",
                                    "--pattern",
                                    "local",
                                    "--pattern",
                                    "halftone:landmarks=all,scope=row,block_k=128,local_blocks=1",
                                    "--density",
                                    "0.6,1",
                                    "--heads",
                                    "--attention-dtype",
                                    "bfloat16",
                                    "--selection",
                                    "kokkos",
                                    "--kernel",
                                    "portable",
                                    "--out",
                                    "eval.h5"});
  const io::EvalFile file = io::read_eval(path("eval.h5"));
  EXPECT_THAT(std::get<std::vector<std::string>>(file.summary.column("setting").values),
              ::testing::ElementsAre("halftone:landmarks=true,micro_block=8 60 %",
                                     "halftone:landmarks=true,micro_block=8 100 %", "local 60 %", "local 100 %",
                                     "halftone:landmarks=all,scope=row,block_k=128,local_blocks=1 60 %",
                                     "halftone:landmarks=all,scope=row,block_k=128,local_blocks=1 100 %"));
  for (const auto& label : std::get<std::vector<std::string>>(file.summary.column("setting").values))
    EXPECT_THAT(out, HasSubstr(label));
  const auto& increase = std::get<std::vector<double>>(file.summary.column("loss_increase").values);
  EXPECT_NEAR(increase[1], 0.0, 1e-5);
  EXPECT_NEAR(increase[3], 0.0, 1e-5);
  EXPECT_NE(increase[2], 0.0);
  EXPECT_NEAR(increase[5], 0.0, 1e-5);
  const auto far_mass = std::find_if(file.arrays.begin(), file.arrays.end(),
                                     [](const io::NamedArray& array) { return array.name == "far_mass"; });
  const std::size_t heads = far_mass->values.size() / (6 * 2);  // of six settings and two documents
  for (std::size_t i = 8 * heads; i < 9 * heads; ++i) EXPECT_GT(far_mass->values[i], 0.0) << "a head without landmarks";
  for (const auto& [column, expected] : {std::pair{"attention_dtype", "bfloat16"},
                                         {"selection", "kokkos"},
                                         {"kernel", "portable"},
                                         {"kernel_dense", "portable"}})
    EXPECT_EQ(std::get<std::vector<std::string>>(file.summary.column(column).values)[0], expected);
}

TEST_F(Command, FilesSayHowTheyWereMade) {
  run_well({"mask", "--pattern", "local", "--seq", "300", "--seed", "5", "--out", "my mask.h5"});
  const std::string tree = run_well({"inspect", "my mask.h5"});
  EXPECT_THAT(tree, HasSubstr("halftone mask --pattern local --seq 300 --seed 5 --out 'my mask.h5'"));
  EXPECT_THAT(tree, HasSubstr("@seed = 5"));
}

}  // namespace
}  // namespace halftone::testing
