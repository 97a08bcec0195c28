#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "halftone/core/error.hpp"
#include "halftone/core/io/file.hpp"
#include "halftone/core/io/model_file.hpp"
#include "io/temporary_folder.hpp"
#include "support/messages.hpp"
#include "support/random.hpp"

namespace halftone::io {
namespace {

using halftone::testing::message_of;
using halftone::testing::random_tensor;
using halftone::testing::test_provenance;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace t = halftone::testing;

ModelSizes sizes() {
  ModelSizes sizes;
  sizes.vocab_size = 11;
  sizes.hidden_size = 6;
  sizes.num_layers = 2;
  sizes.num_heads = 4;
  sizes.num_kv_heads = 2;
  sizes.head_dim = 8;
  sizes.intermediate_size = 10;
  sizes.rope_theta = 500000.0;
  sizes.norm_eps = 1e-6;
  sizes.tie_embeddings = true;
  return sizes;
}

ModelFile model(DType dtype, const ModelSizes& sizes) {
  ModelFile file{sizes, {}};
  std::uint64_t stream = 0;
  for (const auto& [name, shape] : model_parameter_shapes(sizes))
    file.parameters[name] = {shape,
                             random_tensor(dtype, {1, 1, shape.size() == 1 ? 1 : shape[0], shape.back()}, ++stream)};
  return file;
}

class Model : public halftone::testing::FileTest {
 protected:
  template <class Damage>
  std::string read_refusal(const Damage& damage) const {
    write_model(path("m.h5"), model(DType::bfloat16, sizes()), test_provenance());
    damage(path("m.h5"));
    const std::string message = message_of<FileError>([&] { read_model(path("m.h5")); });
    EXPECT_EQ(message.rfind(path("m.h5") + ": ", 0), 0u) << message;
    return message.substr(std::min(message.size(), path("m.h5").size() + 2));
  }
  std::string write_refusal(const ModelFile& file) const {
    const std::string message =
        message_of<InvalidArgument>([&] { write_model(path("m.h5"), file, test_provenance()); });
    EXPECT_THAT(names(), IsEmpty());
    return message;
  }
};

// Counted by hand: 2 + 9 per layer, and the output projection when it is not the embedding.
TEST_F(Model, ParametersOfALlamaModel) {
  ModelSizes s = sizes();
  std::map<std::string, Shape> shapes = model_parameter_shapes(s);
  EXPECT_EQ(shapes.size(), 20u);
  EXPECT_EQ(shapes.at("model.embed_tokens.weight"), (Shape{11, 6}));
  EXPECT_EQ(shapes.at("model.norm.weight"), (Shape{6}));
  EXPECT_EQ(shapes.at("model.layers.1.self_attn.q_proj.weight"), (Shape{32, 6}));
  EXPECT_EQ(shapes.at("model.layers.0.self_attn.v_proj.weight"), (Shape{16, 6}));
  EXPECT_EQ(shapes.at("model.layers.0.self_attn.o_proj.weight"), (Shape{6, 32}));
  EXPECT_EQ(shapes.at("model.layers.1.mlp.down_proj.weight"), (Shape{6, 10}));
  EXPECT_FALSE(shapes.contains("lm_head.weight"));
  s.tie_embeddings = false;
  EXPECT_EQ(model_parameter_shapes(s).at("lm_head.weight"), (Shape{11, 6}));
}

TEST_F(Model, RoundTripInEveryElementType) {
  for (const DType dtype : {DType::float32, DType::float16, DType::bfloat16})
    for (const bool tied : {true, false}) {
      ModelSizes s = sizes();
      s.tie_embeddings = tied;
      const ModelFile file = model(dtype, s);
      write_model(path("m.h5"), file, test_provenance());
      const ModelFile back = read_model(path("m.h5"));
      EXPECT_EQ(back.sizes.vocab_size, 11);
      EXPECT_EQ(back.sizes.hidden_size, 6);
      EXPECT_EQ(back.sizes.num_layers, 2);
      EXPECT_EQ(back.sizes.num_heads, 4);
      EXPECT_EQ(back.sizes.num_kv_heads, 2);
      EXPECT_EQ(back.sizes.head_dim, 8);
      EXPECT_EQ(back.sizes.intermediate_size, 10);
      EXPECT_EQ(back.sizes.rope_theta, 500000.0);
      EXPECT_EQ(back.sizes.norm_eps, 1e-6);
      EXPECT_EQ(back.sizes.tie_embeddings, tied);
      ASSERT_EQ(back.parameters.size(), file.parameters.size());
      for (const auto& [name, parameter] : file.parameters) {
        EXPECT_EQ(back.parameters.at(name).shape, parameter.shape);
        EXPECT_EQ(back[name].dtype, dtype);
        EXPECT_EQ(back[name].shape, parameter.values.shape);
        EXPECT_EQ(std::memcmp(back[name].data(), parameter.values.data(),
                              static_cast<std::size_t>(parameter.values.size()) * size_of(dtype)),
                  0);
      }
    }
}

TEST_F(Model, UnknownNamesAreRefused) {
  EXPECT_EQ(message_of<InvalidArgument>([] { model(DType::float32, sizes())["model.bias"]; }),
            "parameter: got model.bias, expected one of the model's");
}

TEST_F(Model, WritingRefusesSizesAndParameters) {
  const auto with_sizes = [&](const auto& change) {
    ModelFile file = model(DType::float32, sizes());
    change(file.sizes);
    return write_refusal(file);
  };
  EXPECT_EQ(with_sizes([](auto& s) { s.vocab_size = 0; }), "vocab_size: got 0, expected a positive number");
  EXPECT_EQ(with_sizes([](auto& s) { s.norm_eps = -1; }), "norm_eps: got -1, expected a positive number");
  EXPECT_EQ(with_sizes([](auto& s) { s.num_kv_heads = 3; }),
            "num_heads: got 4 with 3 key-value heads, expected a multiple of num_kv_heads");
  EXPECT_EQ(with_sizes([](auto& s) { s.head_dim = 7; }), "head_dim: got 7, expected an even number (rotary positions)");

  ModelFile file = model(DType::float32, sizes());
  file.parameters.erase("model.norm.weight");
  EXPECT_EQ(write_refusal(file), "model.norm.weight: got no parameter, expected [6]");
  file.parameters["model.norm.weight"] = {{7}, random_tensor(DType::float32, {1, 1, 1, 7}, 1)};
  EXPECT_EQ(write_refusal(file), "model.norm.weight: got [7], expected [6]");
  file.parameters["model.norm.weight"] = {{6}, random_tensor(DType::float32, {1, 1, 1, 7}, 1)};
  EXPECT_EQ(write_refusal(file), "model.norm.weight values: got [1, 1, 1, 7], expected [1, 1, 1, 6]");
  file = model(DType::float32, sizes());
  file.parameters["model.bias"] = {};
  EXPECT_EQ(write_refusal(file), "parameter: got model.bias, expected the names of a Llama model of these sizes");
}

TEST_F(Model, ReadingNamesWhatIsWrong) {
  EXPECT_EQ(read_refusal([](const std::string& p) { t::remove_object(p, "model.norm.weight"); }),
            "dataset /model.norm.weight: missing");
  EXPECT_EQ(read_refusal([](const std::string& p) {
              t::replace_dataset(p, "model.layers.1.self_attn.k_proj.weight", H5T_NATIVE_FLOAT, {6, 16});
            }),
            "dataset /model.layers.1.self_attn.k_proj.weight: shape: got [6, 16], expected [16, 6]");
  EXPECT_EQ(
      read_refusal([](const std::string& p) { t::replace_dataset(p, "model.norm.weight", H5T_NATIVE_UINT16, {6}); }),
      "dataset /model.norm.weight: element type: got uint16, expected float32 or float16 or bfloat16");
  EXPECT_EQ(read_refusal([](const std::string& p) { t::remove_attribute(p, "/", "rope_theta"); }),
            "no attribute `rope_theta`");
  EXPECT_EQ(read_refusal([](const std::string& p) { t::replace_attribute(p, "/", "num_heads", 4.0); }),
            "attribute `num_heads`: got float64 [], expected one integer");
  EXPECT_EQ(read_refusal([](const std::string& p) { t::replace_attribute(p, "/", "norm_eps", 0.0); }),
            "attribute norm_eps: got 0, expected a positive number");
}

TEST_F(Model, OtherDatasetsAndAttributesAreIgnored) {
  write_model(path("m.h5"), model(DType::bfloat16, sizes()), test_provenance());
  t::replace_dataset(path("m.h5"), "extra", H5T_NATIVE_FLOAT, {3});
  t::replace_attribute(path("m.h5"), "/", "trained_context", 32768.0);
  EXPECT_EQ(read_model(path("m.h5")).parameters.size(), 20u);
}

}  // namespace
}  // namespace halftone::io
