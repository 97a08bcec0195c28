// Files of results: attention, bench, eval.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5_hl.h>

#include "halftone/core/error.hpp"
#include "halftone/core/io/attention_file.hpp"
#include "halftone/core/io/bench_file.hpp"
#include "halftone/core/io/eval_file.hpp"
#include "halftone/core/io/file.hpp"
#include "io/temporary_folder.hpp"
#include "support/messages.hpp"
#include "support/random.hpp"

namespace halftone::io {
namespace {

using halftone::testing::message_of;
using halftone::testing::random_tensor;
using halftone::testing::test_provenance;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
namespace t = halftone::testing;

class Results : public halftone::testing::FileTest {
 protected:
  /// What `read` says of r.h5, without the file's name.
  template <class Read>
  std::string refusal(const Read& read) const {
    const std::string message = message_of<FileError>([&] { read(path("r.h5")); });
    EXPECT_EQ(message.rfind(path("r.h5") + ": ", 0), 0u) << message;
    return message.substr(std::min(message.size(), path("r.h5").size() + 2));
  }
};

using Attention = Results;
using Bench = Results;
using Eval = Results;

AttentionLayer attention_layer(int index, DType dtype) {
  AttentionLayer layer;
  layer.index = index;
  layer.o = random_tensor(dtype, {1, 2, 3, 4}, 1);
  layer.lse = {1, 2, 3, 4, 5, 6};
  layer.far_mass = {0, 0.5f, 0, 0, 0.25f, 0};
  layer.pattern = "halftone";
  layer.kernel = "portable";
  layer.density = 0.1;
  layer.seconds = 0.25;
  layer.errors = {{"relative_l2", {2}, {0.125, 0.5}, "1", "error of each head", {}},
                  {"captured_mass", {2}, {0.75, 1.0}, "1", "mass of each head", {}}};
  return layer;
}

TEST_F(Attention, RoundTrip) {
  AttentionLayer plain = attention_layer(1, DType::bfloat16);
  plain.far_mass.clear();
  plain.errors.clear();
  write_attention(path("r.h5"), {attention_layer(4, DType::float16), plain}, test_provenance());
  const std::vector<AttentionLayer> back = read_attention(path("r.h5"));
  ASSERT_EQ(back.size(), 2u);
  EXPECT_EQ(back[0].index, 1);
  EXPECT_TRUE(back[0].far_mass.empty());
  EXPECT_TRUE(back[0].errors.empty());
  EXPECT_EQ(back[0].o.dtype, DType::bfloat16);
  const AttentionLayer expected = attention_layer(4, DType::float16);
  EXPECT_EQ(back[1].index, 4);
  EXPECT_EQ(back[1].o.shape, expected.o.shape);
  EXPECT_EQ(std::memcmp(back[1].o.data(), expected.o.data(), 48), 0);
  EXPECT_EQ(back[1].lse, expected.lse);
  EXPECT_EQ(back[1].far_mass, expected.far_mass);
  EXPECT_EQ(back[1].pattern, "halftone");
  EXPECT_EQ(back[1].kernel, "portable");
  EXPECT_EQ(back[1].density, 0.1);
  EXPECT_EQ(back[1].seconds, 0.25);
  ASSERT_EQ(back[1].errors.size(), 2u);
  EXPECT_EQ(back[1].errors[0].name, "relative_l2");
  EXPECT_THAT(back[1].errors[0].values, ElementsAre(0.125, 0.5));
  EXPECT_EQ(back[1].errors[1].description, "mass of each head");
  EXPECT_EQ(FileReader(path("r.h5"), "attention").root().dataset("attention/layer_04/lse").string_attribute("units"),
            "nats");
}

TEST_F(Attention, WritingRefusesOtherSizes) {
  const auto refusal = [&](const auto& change) {
    AttentionLayer layer = attention_layer(2, DType::float32);
    change(layer);
    return message_of<InvalidArgument>([&] { write_attention(path("r.h5"), {layer}, test_provenance()); });
  };
  EXPECT_EQ(refusal([](auto& l) { l.lse.pop_back(); }), "layer_02 lse: got 5 values, expected 6, one per row of o");
  EXPECT_EQ(refusal([](auto& l) { l.far_mass.pop_back(); }),
            "layer_02 far_mass: got 5 values, expected 6, one per row of o");
  EXPECT_EQ(refusal([](auto& l) { l.o = {}; }), "layer_02 o: got [0, 0, 0, 0], expected at least one element");
  EXPECT_EQ(refusal([](auto& l) { l.errors[0].shape = {3}; }),
            "array relative_l2: got 2 values, expected 3 for shape [3]");
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(Attention, ReadingNamesWhatIsWrong) {
  const auto damaged = [&](const auto& damage) {
    write_attention(path("r.h5"), {attention_layer(0, DType::float32)}, test_provenance());
    damage(path("r.h5"));
    return refusal(read_attention);
  };
  EXPECT_EQ(damaged([](const std::string& p) { t::remove_object(p, "attention/layer_00/lse"); }),
            "dataset /attention/layer_00/lse: missing");
  EXPECT_EQ(damaged([](const std::string& p) {
              t::replace_dataset(p, "attention/layer_00/far_mass", H5T_NATIVE_FLOAT, {1, 2, 4});
            }),
            "dataset /attention/layer_00/far_mass: shape: got [1, 2, 4], expected [1, 2, 3]");
  EXPECT_EQ(damaged([](const std::string& p) {
              t::replace_dataset(p, "attention/layer_00/lse", H5T_NATIVE_DOUBLE, {1, 2, 3});
            }),
            "dataset /attention/layer_00/lse: element type: got float64, expected float32");
  EXPECT_EQ(damaged([](const std::string& p) { t::remove_attribute(p, "attention/layer_00", "kernel"); }),
            "group /attention/layer_00: no attribute `kernel`");
}

BenchFile bench() {
  return {{{{"kernel", std::vector<std::string>{"portable", "reference"}, "1", "kernel that ran"},
            {"seq", std::vector<std::int64_t>{1024, 16384}, "tokens", "sequence length"},
            {"seconds_median", std::vector<double>{0.5, 8.25}, "s", "median time"}}},
          {{0.4, 0.5, 0.6}, {8.25}}};
}

TEST_F(Bench, RoundTrip) {
  write_bench(path("r.h5"), bench(), test_provenance());
  const BenchFile back = read_bench(path("r.h5"));
  ASSERT_EQ(back.table.columns.size(), 3u);
  EXPECT_EQ(back.table.rows(), 2);
  EXPECT_EQ(back.table.columns[0].name, "kernel");  // in the order of writing
  EXPECT_EQ(back.table.columns[1].name, "seq");
  for (const Column& column : bench().table.columns) {
    EXPECT_EQ(back.table.column(column.name).values, column.values);
    EXPECT_EQ(back.table.column(column.name).description, column.description);
  }
  EXPECT_EQ(back.table.column("seconds_median").units, "s");
  EXPECT_EQ(back.samples, bench().samples);
  EXPECT_EQ(message_of<InvalidArgument>([&] { back.table.column("speed"); }),
            "column: got speed, expected one of kernel, seq, seconds_median");
}

TEST_F(Bench, SamplesAreOptional) {
  BenchFile file = bench();
  file.samples.clear();
  write_bench(path("r.h5"), file, test_provenance());
  EXPECT_TRUE(read_bench(path("r.h5")).samples.empty());
}

TEST_F(Bench, WritingRefusesOtherLengths) {
  const auto refusal = [&](const auto& change) {
    BenchFile file = bench();
    change(file);
    return message_of<InvalidArgument>([&] { write_bench(path("r.h5"), file, test_provenance()); });
  };
  EXPECT_EQ(refusal([](auto& f) { f.table.columns[1].values = std::vector<std::int64_t>{1}; }),
            "column seq: got 1 rows, expected 2, as kernel");
  EXPECT_EQ(refusal([](auto& f) { f.table.columns[1].name = "kernel"; }),
            "column: got kernel twice, expected each name once");
  EXPECT_EQ(refusal([](auto& f) { f.samples.pop_back(); }), "bench samples: got 1 lists, expected 2, one per row");
  EXPECT_EQ(refusal([](auto& f) { f.table.columns.clear(); }), "bench table: got no row, expected at least one");
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(Bench, ReadingNamesWhatIsWrong) {
  const auto damaged = [&](const auto& damage) {
    write_bench(path("r.h5"), bench(), test_provenance());
    damage(path("r.h5"));
    return refusal(read_bench);
  };
  EXPECT_EQ(damaged([](const std::string& p) { t::replace_dataset(p, "bench/seq", H5T_NATIVE_INT64, {3}); }),
            "dataset /bench/seq: shape: got [3], expected [2]");
  EXPECT_EQ(
      damaged([](const std::string& p) { t::replace_dataset(p, "bench/seq", H5T_NATIVE_SHORT, {2}); }),
      "dataset /bench/seq: element type: got int16, expected int32 or int64 or uint8 or uint16 or uint32 or uint64");
  EXPECT_EQ(damaged([](const std::string& p) {
              t::overwrite(p, "samples/begin", {0, 3, 5});
            }),
            "dataset /samples/begin: values: got a last one of 5, expected to rise from 0 to 4");
  EXPECT_EQ(damaged([](const std::string& p) { t::remove_object(p, "samples/seconds"); }),
            "dataset /samples/seconds: missing");
  EXPECT_EQ(damaged([](const std::string& p) { t::remove_object(p, "bench"); }), "group /bench: missing");
}

EvalFile eval() {
  return {
      {{"scenario", std::vector<std::string>{"books", "technical"}, "1", "text distribution"},
       {"density", std::vector<double>{0.05, 0.1, 0.2}, "1", "kept over visible blocks"}},
      {{"delta_nll", {2, 3}, {1, 2, 3, 4, 5, 6}, "nats", "loss over dense", {"scenario", "density"}},
       {"dense_nll", {2}, {3.25, 2.5}, "nats", "loss of dense", {"scenario"}}},
      {{{"pattern", std::vector<std::string>{"halftone"}, "1", ""}, {"p", std::vector<double>{0.01}, "1", "p-value"}}}};
}

TEST_F(Eval, RoundTrip) {
  write_eval(path("r.h5"), eval(), test_provenance());
  const EvalFile back = read_eval(path("r.h5")), expected = eval();
  ASSERT_EQ(back.axes.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(back.axes[i].name, expected.axes[i].name);
    EXPECT_EQ(back.axes[i].values, expected.axes[i].values);
    EXPECT_EQ(back.axes[i].description, expected.axes[i].description);
    EXPECT_EQ(back.arrays[i].name, expected.arrays[i].name);
    EXPECT_EQ(back.arrays[i].shape, expected.arrays[i].shape);
    EXPECT_EQ(back.arrays[i].values, expected.arrays[i].values);
    EXPECT_EQ(back.arrays[i].units, "nats");
    EXPECT_EQ(back.arrays[i].axes, expected.arrays[i].axes);
  }
  EXPECT_EQ(back.summary.column("p").values, expected.summary.column("p").values);
}

TEST_F(Eval, AxesAreDimensionScales) {
  write_eval(path("r.h5"), eval(), test_provenance());
  const Group root = FileReader(path("r.h5"), "eval").root();
  EXPECT_GT(H5DSis_scale(root.dataset("axes/density").id()), 0);
  const Dataset array = root.dataset("arrays/delta_nll");
  EXPECT_GT(H5DSis_attached(array.id(), root.dataset("axes/scenario").id(), 0), 0);
  EXPECT_GT(H5DSis_attached(array.id(), root.dataset("axes/density").id(), 1), 0);
  EXPECT_EQ(H5DSis_attached(array.id(), root.dataset("axes/density").id(), 0), 0);
}

TEST_F(Eval, RefusesArraysOffTheirAxes) {
  const auto refusal = [&](const auto& change) {
    EvalFile file = eval();
    change(file);
    return message_of<InvalidArgument>([&] { write_eval(path("r.h5"), file, test_provenance()); });
  };
  EXPECT_EQ(refusal([](auto& f) {
              f.arrays[0].axes = {"scenario", "head"};
            }),
            "array delta_nll: got axis head, expected an axis of the file");
  EXPECT_EQ(refusal([](auto& f) { f.arrays[0].axes = {"scenario"}; }),
            "array delta_nll: got 1 axes, expected 2, one per dimension");
  EXPECT_EQ(refusal([](auto& f) { f.arrays[1].axes = {"density"}; }),
            "array dense_nll along density: got 2, expected 3");
  EXPECT_EQ(refusal([](auto& f) { f.arrays[1].values.pop_back(); }),
            "array dense_nll: got 1 values, expected 2 for shape [2]");
  EXPECT_THAT(names(), IsEmpty());
  write_eval(path("r.h5"), eval(), test_provenance());
  t::replace_dataset(path("r.h5"), "arrays/dense_nll", H5T_NATIVE_DOUBLE, {2});
  EXPECT_EQ(this->refusal(read_eval), "array dense_nll: got 0 axes, expected 1, one per dimension");
}

}  // namespace
}  // namespace halftone::io
