#include "halftone/core/io/activations.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "halftone/core/error.hpp"
#include "io/temporary_folder.hpp"
#include "support/messages.hpp"
#include "support/random.hpp"

namespace halftone::io {
namespace {

using halftone::testing::message_of;
using halftone::testing::random_tensor;
using halftone::testing::test_provenance;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// 4 query heads on 2 key-value heads, 2 sequences of 5 positions, dimension 8.
ActivationLayer layer(int index, DType dtype = DType::float32) {
  const auto stream = static_cast<std::uint64_t>(10 * index);
  return {index,
          random_tensor(dtype, {2, 4, 5, 8}, stream),
          random_tensor(dtype, {2, 2, 5, 8}, stream + 1),
          random_tensor(dtype, {2, 2, 5, 8}, stream + 2),
          0.3f,
          index % 2 == 0,
          {}};
}

void expect_same(const HostTensor& a, const HostTensor& b) {
  ASSERT_EQ(a.dtype, b.dtype);
  ASSERT_EQ(a.shape, b.shape);
  EXPECT_EQ(std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * size_of(a.dtype)), 0);
}

class Activations : public halftone::testing::FileTest {
 protected:
  std::string write(const ActivationsFile& file) const {
    write_activations(path("a.h5"), file, test_provenance());
    return path("a.h5");
  }
  /// What writing says; it must leave no file.
  std::string write_refusal(const ActivationsFile& file) const {
    const std::string message = message_of<InvalidArgument>([&] { write(file); });
    EXPECT_THAT(names(), IsEmpty());
    return message;
  }
  /// What reading a good file says after `damage`, without the file's name.
  template <class Damage>
  std::string read_refusal(const Damage& damage) const {
    ActivationsFile file{{layer(3)}, {}, std::vector<std::int32_t>(10, 1), "", ""};
    file.layers[0].head_weight = {1, 2, 3, 4};
    write(file);
    damage(path("a.h5"));
    const std::string message = message_of<FileError>([&] { read_activations(path("a.h5")); });
    EXPECT_EQ(message.rfind(path("a.h5") + ": ", 0), 0u) << message;
    return message.substr(std::min(message.size(), path("a.h5").size() + 2));
  }
};

TEST_F(Activations, RoundTripInEveryElementType) {
  for (const DType dtype : {DType::float32, DType::float16, DType::bfloat16}) {
    ActivationsFile file{{layer(0, dtype), layer(11, dtype)}, {}, {}, "a book", "public domain"};
    file.layers[1].head_weight = {0.5f, 0.25f, 1.0f, 2.0f};
    file.tokens.resize(10);
    std::iota(file.tokens.begin(), file.tokens.end(), 70000);
    const ActivationsFile back = read_activations(write(file));
    ASSERT_EQ(back.layers.size(), 2u);
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(back.layers[i].index, file.layers[i].index);
      EXPECT_EQ(back.layers[i].scale, 0.3f);
      EXPECT_EQ(back.layers[i].causal, file.layers[i].causal);
      EXPECT_EQ(back.layers[i].head_weight, file.layers[i].head_weight);
      expect_same(back.layers[i].q, file.layers[i].q);
      expect_same(back.layers[i].k, file.layers[i].k);
      expect_same(back.layers[i].v, file.layers[i].v);
    }
    EXPECT_EQ(back.tokens, file.tokens);
    EXPECT_TRUE(back.cu_seqlens.empty());
    EXPECT_EQ(back.source, "a book");
    EXPECT_EQ(back.licence, "public domain");
  }
}

TEST_F(Activations, PackedSequences) {
  ActivationsFile file;
  file.layers.push_back({0,
                         random_tensor(DType::float16, {1, 2, 9, 4}, 1),
                         random_tensor(DType::float16, {1, 2, 9, 4}, 2),
                         random_tensor(DType::float16, {1, 2, 9, 4}, 3),
                         0.5f,
                         true,
                         {}});
  file.cu_seqlens = {0, 1, 6, 9};
  EXPECT_THAT(read_activations(write(file)).cu_seqlens, ElementsAre(0, 1, 6, 9));
}

TEST_F(Activations, ChosenLayersOnly) {
  write({{layer(7), layer(2), layer(100)}, {}, {}, "", ""});
  EXPECT_THAT(list_activation_layers(path("a.h5")), ElementsAre(2, 7, 100));
  const std::vector<int> chosen{100, 2};
  const ActivationsFile back = read_activations(path("a.h5"), chosen);
  ASSERT_EQ(back.layers.size(), 2u);
  expect_same(back.layers[0].q, layer(100).q);
  expect_same(back.layers[1].q, layer(2).q);
  const std::vector<int> absent{7, 3};
  EXPECT_EQ(message_of<FileError>([&] { read_activations(path("a.h5"), absent); }),
            path("a.h5") + ": group /activations: layer: got 3, expected one of 2, 7, 100");
}

TEST_F(Activations, WritingRefusesShapes) {
  const auto refusal = [&](const auto& change) {
    ActivationLayer changed = layer(3);
    change(changed);
    return write_refusal({{changed}, {}, {}, "", ""});
  };
  const auto tensor = [](HostTensor::Shape shape) { return random_tensor(DType::float32, shape, 1); };
  EXPECT_EQ(refusal([&](auto& l) {
              l.k = tensor({2, 2, 6, 8});
            }),
            "layer_03 k: got [2, 2, 6, 8], expected [2, *, 5, 8]");
  EXPECT_EQ(refusal([&](auto& l) {
              l.k = tensor({1, 2, 5, 8});
            }),
            "layer_03 k: got [1, 2, 5, 8], expected [2, *, 5, 8]");
  EXPECT_EQ(refusal([&](auto& l) {
              l.v = tensor({2, 2, 5, 9});
            }),
            "layer_03 v: got [2, 2, 5, 9], expected [2, 2, 5, 8]");
  EXPECT_EQ(refusal([&](auto& l) {
              l.k = l.v = tensor({2, 3, 5, 8});
            }),
            "layer_03 heads: got 4 query heads, 3 key-value heads, expected query heads a multiple of key-value heads");
  EXPECT_EQ(refusal([&](auto& l) {
              l.q = l.k = l.v = tensor({2, 2, 0, 8});
            }),
            "layer_03 q and k: got [2, 2, 0, 8] and [2, 2, 0, 8], expected at least one sequence, head, position and "
            "dimension");
  EXPECT_EQ(refusal([&](auto& l) { l.v = convert(l.v, DType::float16); }),
            "layer_03 k and v element types: got float32 and float16, expected float32 as q");
  EXPECT_EQ(refusal([&](auto& l) { l.head_weight = {1.0f}; }),
            "layer_03 head_weight: got 1 values, expected 4, one per query head");
  EXPECT_EQ(refusal([&](auto& l) { l.scale = std::numeric_limits<float>::quiet_NaN(); }),
            "layer_03 scale: got nan, expected a finite number");
  EXPECT_EQ(refusal([&](auto& l) { l.index = -1; }), "layer index: got -1, expected 0 or more");
}

TEST_F(Activations, WritingRefusesFiles) {
  EXPECT_EQ(write_refusal({}), "layers: got none, expected at least one");
  EXPECT_EQ(write_refusal({{layer(3), layer(3)}, {}, {}, "", ""}),
            "layer index: got 3 twice, expected each layer once");
  EXPECT_EQ(write_refusal({{layer(3)}, {}, {1, 2}, "", ""}), "tokens: got 2 ids, expected 10, one per position");
  EXPECT_EQ(write_refusal({{layer(3)}, {0, 5}, {}, "", ""}), "cu_seqlens: got batch 2, expected batch 1 when packed");
  ActivationLayer packed = layer(3);
  packed.q = packed.k = packed.v = random_tensor(DType::float32, {1, 2, 9, 4}, 1);
  const std::string expected = ", expected numbers that rise from 0 to 9 (no sequence may be empty)";
  for (const std::vector<std::int32_t>& starts :
       {std::vector<std::int32_t>{0, 4, 8}, {1, 9}, {0, 5, 5, 9}, {0, 6, 4, 9}, {9}, {0, 4, 10}}) {
    std::string text;
    for (const std::int32_t start : starts) text += (text.empty() ? "[" : ", ") + std::to_string(start);
    EXPECT_EQ(write_refusal({{packed}, starts, {}, "", ""}), "cu_seqlens: got " + text + "]" + expected);
  }
}

TEST_F(Activations, ReadingNamesTheDatasetThatIsWrong) {
  namespace t = halftone::testing;
  EXPECT_EQ(read_refusal([](const std::string& p) { t::remove_object(p, "activations/layer_03/v"); }),
            "dataset /activations/layer_03/v: missing");
  EXPECT_EQ(read_refusal([](const std::string& p) { t::remove_object(p, "activations/layer_03/q"); }),
            "dataset /activations/layer_03/q: missing");
  EXPECT_EQ(read_refusal([](const std::string& p) { t::remove_object(p, "activations"); }),
            "group /activations: missing");
  EXPECT_EQ(read_refusal([](const std::string& p) { t::remove_object(p, "activations/layer_03"); }),
            "group /activations: got no layer, expected groups layer_NN");
  EXPECT_EQ(read_refusal([](const std::string& p) {
              t::replace_dataset(p, "activations/layer_03/k", H5T_NATIVE_FLOAT, {2, 2, 4, 8});
            }),
            "dataset /activations/layer_03/k: shape: got [2, 2, 4, 8], expected [2, *, 5, 8]");
  EXPECT_EQ(read_refusal([](const std::string& p) {
              t::replace_dataset(p, "activations/layer_03/v", H5T_NATIVE_FLOAT, {2, 1, 5, 8});
            }),
            "dataset /activations/layer_03/v: shape: got [2, 1, 5, 8], expected [2, 2, 5, 8]");
  EXPECT_EQ(read_refusal([](const std::string& p) {
              t::replace_dataset(p, "activations/layer_03/q", H5T_NATIVE_FLOAT, {4, 5, 8});
            }),
            "dataset /activations/layer_03/q: shape: got [4, 5, 8], expected [*, *, *, *]");
  EXPECT_EQ(read_refusal([](const std::string& p) {
              t::replace_dataset(p, "activations/layer_03/q", H5T_NATIVE_SHORT, {2, 4, 5, 8});
            }),
            "dataset /activations/layer_03/q: element type: got int16, expected float32 or float16 or bfloat16");
  EXPECT_EQ(read_refusal([](const std::string& p) {
              t::replace_dataset(p, "activations/layer_03/head_weight", H5T_NATIVE_FLOAT, {3});
            }),
            "dataset /activations/layer_03/head_weight: shape: got [3], expected [4]");
  EXPECT_EQ(read_refusal([](const std::string& p) { t::replace_dataset(p, "tokens", H5T_NATIVE_FLOAT, {10}); }),
            "dataset /tokens: element type: got float32, expected int32");
  EXPECT_EQ(read_refusal([](const std::string& p) { t::remove_attribute(p, "activations/layer_03", "scale"); }),
            "group /activations/layer_03: no attribute `scale`");
  EXPECT_EQ(
      read_refusal([](const std::string& p) { t::replace_attribute(p, "activations/layer_03", "causal", "yes"); }),
      "group /activations/layer_03: attribute `causal`: got string [], expected one integer");
}

TEST_F(Activations, ReadingRefusesWhatWritingRefuses) {
  namespace t = halftone::testing;
  EXPECT_EQ(read_refusal([](const std::string& p) {
              t::replace_dataset(p, "activations/layer_03/k", H5T_NATIVE_FLOAT, {2, 3, 5, 8});
              t::replace_dataset(p, "activations/layer_03/v", H5T_NATIVE_FLOAT, {2, 3, 5, 8});
            }),
            "layer_03 heads: got 4 query heads, 3 key-value heads, expected query heads a multiple of key-value heads");
  EXPECT_THAT(
      read_refusal([](const std::string& p) {
        t::remove_object(p, "activations/layer_03/head_weight");
        for (const char* name : {"q", "k", "v"})
          t::replace_dataset(p, (std::string("activations/layer_03/") + name).c_str(), H5T_NATIVE_FLOAT, {1, 2, 0, 8});
      }),
      HasSubstr("layer_03 q and k: got [1, 2, 0, 8] and [1, 2, 0, 8], expected at least one sequence"));
  EXPECT_EQ(read_refusal([](const std::string& p) { t::replace_dataset(p, "cu_seqlens", H5T_NATIVE_INT32, {3}); }),
            "cu_seqlens: got batch 2, expected batch 1 when packed");
  EXPECT_EQ(read_refusal([](const std::string& p) { t::replace_dataset(p, "tokens", H5T_NATIVE_INT32, {4}); }),
            "tokens: got 4 ids, expected 10, one per position");
}

}  // namespace
}  // namespace halftone::io
