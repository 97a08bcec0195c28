// Input that cannot be served: one line that says what was wrong and what would be right, and nothing left behind.
#include <cmath>
#include <limits>

#include "app/program.hpp"
#include "halftone/core/io/mask_file.hpp"
#include "halftone/core/io/tokens_file.hpp"
#include "halftone/patterns/pattern.hpp"

namespace halftone::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int kFailure = 1, kUsage = 2;

class BadInput : public CommandTest {
 protected:
  // Every command that reads activations, reading `name`.
  std::vector<std::vector<std::string>> readers(const std::string& name) const {
    return {{"mask", "--pattern", "local", "--activations", name, "--out", "new.h5", "--png", "new.png"},
            {"attend", "--pattern", "local", "--activations", name, "--out", "new.h5"},
            {"demo", "--sample", name, "--out", "new"}};
  }

  void expect_all_refuse(const std::string& name, const ::testing::Matcher<std::string>& message) const {
    for (const auto& arguments : readers(name)) expect_refused(arguments, kFailure, message);
  }
};

TEST_F(BadInput, MissingFile) {
  expect_all_refuse("none.h5", HasSubstr("none.h5: no such file"));
  expect_refused({"inspect", "none.h5"}, kFailure, HasSubstr("none.h5: no such file"));
  expect_refused({"attend", "--mask", "none.h5", "--activations", "qkv.h5", "--out", "new.h5"}, kFailure,
                 HasSubstr("none.h5: no such file"));
}

TEST_F(BadInput, NotHdf5) {
  write_text(path("text.h5"), "these are not numbers");
  expect_all_refuse("text.h5", HasSubstr("text.h5: not an HDF5 file"));
  expect_refused({"inspect", "text.h5"}, kFailure, HasSubstr("text.h5: not an HDF5 file"));
}

TEST_F(BadInput, Truncated) {
  const std::string whole = read_text(path("qkv.h5"));
  write_text(path("half.h5"), whole.substr(0, whole.size() / 2));
  expect_all_refuse("half.h5", HasSubstr("half.h5: truncated"));
  expect_refused({"inspect", "half.h5"}, kFailure, HasSubstr("half.h5: truncated"));
}

TEST_F(BadInput, AnotherKindOfFile) {
  run_well({"mask", "--pattern", "local", "--activations", "qkv.h5", "--out", "mask.h5"});
  expect_all_refuse("mask.h5", AllOf(HasSubstr("mask.h5"), HasSubstr("got mask, expected activations")));
}

TEST_F(BadInput, WrongShape) {
  replace_dataset(path("qkv.h5"), "/activations/layer_03/k", H5T_NATIVE_FLOAT, {1, 2, 299, 32});
  expect_all_refuse("qkv.h5", AllOf(HasSubstr("/activations/layer_03/k"), HasSubstr("[1, 2, 299, 32]"),
                                    HasSubstr("[1, *, 300, 32]")));
  replace_dataset(path("qkv.h5"), "/activations/layer_03/k", H5T_NATIVE_FLOAT, {300, 64});
  expect_all_refuse("qkv.h5", AllOf(HasSubstr("/activations/layer_03/k"), HasSubstr("[300, 64]")));
}

TEST_F(BadInput, NumbersThatAreNotFinite) {
  io::ActivationsFile file = activations();
  static_cast<float*>(file.layers[1].q.data())[(2 * 300 + 17) * 32 + 5] = std::nanf("");
  io::write_activations(path("nan.h5"), file, test_provenance());
  expect_all_refuse("nan.h5", HasSubstr("nan.h5: layer 3, q at batch 0, head 2, position 17, dim 5: got nan"));

  file = activations();
  static_cast<float*>(file.layers[0].v.data())[299 * 32] = std::numeric_limits<float>::infinity();
  io::write_activations(path("inf.h5"), file, test_provenance());
  expect_all_refuse("inf.h5", HasSubstr("inf.h5: layer 1, v at batch 0, head 0, position 299, dim 0: got inf"));
}

TEST_F(BadInput, ZeroLength) {
  for (const char* layer : {"/activations/layer_01", "/activations/layer_03"}) {
    const std::string name = layer;
    replace_dataset(path("qkv.h5"), (name + "/q").c_str(), H5T_NATIVE_FLOAT, {1, 4, 0, 32});
    replace_dataset(path("qkv.h5"), (name + "/k").c_str(), H5T_NATIVE_FLOAT, {1, 2, 0, 32});
    replace_dataset(path("qkv.h5"), (name + "/v").c_str(), H5T_NATIVE_FLOAT, {1, 2, 0, 32});
  }
  expect_all_refuse("qkv.h5", AllOf(HasSubstr("[1, 4, 0, 32]"), HasSubstr("at least one sequence, head, position")));
  expect_refused({"mask", "--pattern", "local", "--seq", "0", "--heads", "2", "--out", "new.h5"}, kUsage,
                 HasSubstr("--seq"));
}

TEST_F(BadInput, HeadCountsThatDoNotDivide) {
  for (const char* name : {"/activations/layer_01/k", "/activations/layer_01/v"})
    replace_dataset(path("qkv.h5"), name, H5T_NATIVE_FLOAT, {1, 3, 300, 32});
  expect_all_refuse("qkv.h5", AllOf(HasSubstr("4 query heads, 3 key-value heads"), HasSubstr("a multiple of")));
}

TEST_F(BadInput, Densities) {
  for (const char* density : {"0", "2", "-0.1", "1.001", "nan", "inf", "dense", ""}) {
    const auto says_range = AllOf(HasSubstr("--density"), HasSubstr("above 0 and at most 1"));
    for (auto arguments : readers("qkv.h5")) {
      arguments.insert(arguments.end(), {"--density", density});
      expect_refused(arguments, kUsage, says_range);
    }
  }
}

TEST_F(BadInput, DensitiesOutOfReach) {
  const auto names_least = AllOf(HasSubstr("density"), HasSubstr("0.01"), HasSubstr("expected"));
  expect_refused({"mask", "--pattern", "halftone", "--density", "0.01", "--activations", "qkv.h5", "--out", "new.h5"},
                 kFailure, names_least);
  expect_refused({"attend", "--pattern", "local", "--density", "0.01", "--activations", "qkv.h5", "--out", "new.h5"},
                 kFailure, names_least);
  expect_refused({"demo", "--density", "0.01", "--sample", "qkv.h5", "--out", "new"}, kFailure, names_least);
}

TEST_F(BadInput, UnknownPattern) {
  const auto lists_patterns =
      AllOf(HasSubstr("pattern: got checkerboard"), HasSubstr("local"), HasSubstr("bigbird"), HasSubstr("halftone"));
  expect_refused({"mask", "--pattern", "checkerboard", "--seq", "512", "--out", "new.h5"}, kUsage, lists_patterns);
  expect_refused({"attend", "--pattern", "checkerboard", "--activations", "qkv.h5", "--out", "new.h5"}, kUsage,
                 lists_patterns);
}

TEST_F(BadInput, Parameters) {
  const std::vector<std::string> mask{"mask", "--pattern", "local", "--seq", "512", "--out", "new.h5", "--param"};
  const auto with = [&](const std::string& parameter) {
    std::vector<std::string> arguments = mask;
    arguments.push_back(parameter);
    return arguments;
  };
  expect_refused(with("window"), kUsage, HasSubstr("parameter of a pattern: got window, expected key=value"));
  expect_refused(with("=3"), kUsage, HasSubstr("parameter of a pattern: got =3, expected key=value"));
  expect_refused(with("windows=3"), kFailure, AllOf(HasSubstr("windows"), HasSubstr("window")));
  expect_refused(with("window=wide"), kFailure, AllOf(HasSubstr("window"), HasSubstr("wide"), HasSubstr("number")));
  expect_refused(with("window=-1"), kFailure, AllOf(HasSubstr("window"), HasSubstr("-1")));
  std::vector<std::string> twice = with("window=2");
  twice.insert(twice.end(), {"--param", "window=3"});
  expect_refused(twice, kUsage, HasSubstr("window is given twice"));
}

TEST_F(BadInput, PatternsThatNeedActivations) {
  expect_refused({"mask", "--pattern", "halftone", "--density", "0.5", "--seq", "512", "--out", "new.h5"}, kFailure,
                 AllOf(HasSubstr("halftone"), HasSubstr("queries and keys")));
  expect_refused({"mask", "--pattern", "local", "--out", "new.h5"}, kUsage,
                 AllOf(HasSubstr("--activations"), HasSubstr("--seq")));
}

TEST_F(BadInput, MissingLayer) {
  expect_refused({"attend", "--pattern", "local", "--activations", "qkv.h5", "--layer", "2", "--out", "new.h5"},
                 kFailure, AllOf(HasSubstr("qkv.h5"), HasSubstr("2"), HasSubstr("1, 3")));
  expect_refused({"mask", "--pattern", "local", "--activations", "qkv.h5", "--layer", "2", "--out", "new.h5"}, kFailure,
                 AllOf(HasSubstr("qkv.h5"), HasSubstr("2"), HasSubstr("1, 3")));
}

TEST_F(BadInput, MasksThatDoNotFit) {
  run_well({"mask", "--pattern", "local", "--seq", "512", "--heads", "4", "--out", "long.h5"});
  expect_refused(
      {"attend", "--mask", "long.h5", "--activations", "qkv.h5", "--out", "new.h5"}, kFailure,
      AllOf(HasSubstr("long.h5: the mask does not fit layer 1"), HasSubstr("4 tiles"), HasSubstr("3 tiles")));
  run_well({"mask", "--pattern", "bigbird", "--seq", "300", "--heads", "3", "--out", "heads.h5"});  // a mask per head
  expect_refused({"attend", "--mask", "heads.h5", "--activations", "qkv.h5", "--out", "new.h5"}, kFailure,
                 AllOf(HasSubstr("3 heads"), HasSubstr("a divisor of 4 heads")));

  const io::MaskLayer first = io::read_mask(path("heads.h5")).front();
  io::write_mask(path("layers.h5"), std::vector<io::MaskLayer>{{0, first.mask}, {1, first.mask}}, test_provenance());
  expect_refused({"attend", "--mask", "layers.h5", "--activations", "qkv.h5", "--layer", "3", "--out", "new.h5"},
                 kFailure, HasSubstr("layers.h5: no mask for layer 3, expected one of layers 0, 1"));
}

TEST_F(BadInput, Kernels) {
  expect_refused({"attend", "--pattern", "local", "--kernel", "fastest", "--activations", "qkv.h5", "--out", "new.h5"},
                 kFailure, AllOf(HasSubstr("fastest"), HasSubstr("portable"), HasSubstr("reference")));
}

TEST_F(BadInput, CommandLines) {
  expect_refused({}, kUsage, HasSubstr("a command is missing"));
  expect_refused({"paint"}, kUsage, HasSubstr("paint"));
  expect_refused({"mask", "--pattern", "local", "--seq", "512"}, kUsage,
                 AllOf(HasSubstr("--out"), HasSubstr("halftone mask --help")));
  expect_refused({"mask", "--colour", "blue"}, kUsage, HasSubstr("--"));
  expect_refused({"attend", "--activations", "qkv.h5", "--out", "new.h5"}, kUsage,
                 AllOf(HasSubstr("--pattern"), HasSubstr("--mask")));
  expect_refused({"attend", "--activations", "qkv.h5", "--pattern", "local", "--mask", "m.h5", "--out", "new.h5"},
                 kUsage, HasSubstr("--mask"));
  expect_refused({"attend", "--activations", "qkv.h5", "--pattern", "local", "--landmarks", "--out", "new.h5"}, kUsage,
                 HasSubstr("expected --pattern halftone"));
  expect_refused({"mask", "--pattern", "local", "--seq", "512", "--out", "a", "--png", "a"}, kUsage,
                 HasSubstr("--png"));
  expect_refused({"mask", "--pattern", "local", "--seq", "many", "--out", "new.h5"}, kUsage, HasSubstr("--seq"));
}

TEST_F(BadInput, ModelsAndDocuments) {
  io::write_tokens(path("tokens.h5"), {{"books/00", "books", "a book", 4, {1, 2, 3, 4}}}, 0, test_provenance());
  const auto with = [&](const std::string& model, const std::string& tokens, const std::string& document,
                        const std::string& length) {
    return std::vector<std::string>{"activations", "--model",  model,  "--tokens", tokens,  "--document",
                                    document,      "--length", length, "--out",    "new.h5"};
  };
  expect_refused(with("none.h5", "tokens.h5", "books/00", "4"), kFailure, HasSubstr("none.h5: no such file"));
  expect_refused(with("qkv.h5", "tokens.h5", "books/00", "4"), kFailure, HasSubstr("got activations, expected model"));
  expect_refused(with(HALFTONE_TINY_MODEL, "none.h5", "books/00", "4"), kFailure, HasSubstr("none.h5: no such file"));
  expect_refused(with(HALFTONE_TINY_MODEL, "tokens.h5", "books/01", "4"), kFailure,
                 AllOf(HasSubstr("books/01"), HasSubstr("books/00")));
  expect_refused(with(HALFTONE_TINY_MODEL, "tokens.h5", "books/00", "5"), kUsage,
                 AllOf(HasSubstr("has 4 tokens"), HasSubstr("--length 5")));
  expect_refused(with(HALFTONE_TINY_MODEL, "tokens.h5", "books/00", "0"), kUsage, HasSubstr("--length"));
  auto layers = with(HALFTONE_TINY_MODEL, "tokens.h5", "books/00", "4");
  layers.insert(layers.end(), {"--layers", "0,99"});
  expect_refused(layers, kFailure, HasSubstr("99"));
  auto dtype = with(HALFTONE_TINY_MODEL, "tokens.h5", "books/00", "4");
  dtype.insert(dtype.end(), {"--dtype", "int8"});
  expect_refused(dtype, kUsage, AllOf(HasSubstr("int8"), HasSubstr("bfloat16")));
}

TEST_F(BadInput, Evaluations) {
  io::write_tokens(path("tokens.h5"), {{"books/00", "books", "", 5, {1, 2, 3, 4, 5}}}, 0, test_provenance());
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments{"eval",  "--model", HALFTONE_TINY_MODEL, "--length", "4",
                                       "--out", "new.h5",  "--density",         "0.5"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  };
  const std::vector<std::string> document{"--tokens", "tokens.h5", "--documents", "books/00"};
  const auto on_document = [&](std::vector<std::string> more) {
    more.insert(more.begin(), document.begin(), document.end());
    return with(more);
  };
  expect_refused(with({"--pattern", "local"}), kUsage, HasSubstr("neither --documents nor --tasks"));
  expect_refused(with({"--pattern", "local", "--documents", "books/00"}), kUsage, HasSubstr("--tokens: missing"));
  expect_refused(with({"--pattern", "local", "--tasks", "tokens.h5"}), kUsage, HasSubstr("books/00 asks nothing"));
  expect_refused(on_document({"--pattern", "local", "--length", "5"}), kUsage, HasSubstr("--length"));
  expect_refused(on_document({"--pattern", "local", "--calibration", "books/00"}), kUsage,
                 HasSubstr("document books/00: given twice"));
  expect_refused(on_document({"--pattern", "local", "--documents", "books/00"}), kUsage, HasSubstr("given twice"));
  expect_refused(on_document({"--pattern", "checkerboard"}), kUsage, HasSubstr("got checkerboard"));
  expect_refused(on_document({"--pattern", "local:window"}), kUsage, HasSubstr("got window, expected key=value"));
  expect_refused(on_document({"--pattern", "local:{window"}), kUsage, HasSubstr("JSON object"));
  expect_refused(on_document({"--pattern", "halftone:landmarks=true"}), kUsage, HasSubstr("--calibration"));
  expect_refused(on_document({"--pattern", "halftone:landmarks=3"}), kUsage,
                 HasSubstr("landmarks: got 3, expected true, false or all"));
  expect_refused(on_document({"--pattern", "halftone:output_weights=3"}), kUsage, HasSubstr("expected true or false"));
  expect_refused(on_document({"--pattern", "local:block_k=96"}), kUsage,
                 HasSubstr("block_k: got 96, expected 64 or 128"));
  expect_refused(on_document({"--pattern", "local", "--attention-dtype", "int8"}), kFailure,
                 HasSubstr("dtype: got int8, expected float32, float16 or bfloat16"));
  expect_refused(on_document({"--pattern", "local", "--selection", "quick"}), kUsage,
                 HasSubstr("--selection: got quick, expected one of auto, cuda, kokkos"));
  expect_refused(on_document({"--pattern", "local", "--kernel", "quick"}), kUsage,
                 HasSubstr("--kernel: got quick, expected one of auto, sm90"));
  expect_refused(on_document({"--pattern", "local", "--kernel", "sm90"}), kFailure, HasSubstr("sm90: "));
  expect_refused({"calibrate", "--model", HALFTONE_TINY_MODEL, "--tokens", "tokens.h5", "--document", "books/00",
                  "--out", "new.h5", "--attention-dtype", "int8"},
                 kFailure, HasSubstr("got int8"));
  expect_refused(on_document({"--pattern", "local", "--head-weights", "none.json"}), kUsage, HasSubstr("none.json"));
  write_text(path("weights.json"), "[[1, 2, 3, 4]]");
  expect_refused(on_document({"--pattern", "local", "--head-weights", "weights.json"}), kUsage,
                 HasSubstr("weights.json: expected a JSON array of 2 layers with 4 positive numbers each"));
}

}  // namespace
}  // namespace halftone::testing
