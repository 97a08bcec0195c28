// halftone demo on a small sample: the files, the numbers in them, and running it twice.
#include <cmath>
#include <filesystem>

#include "app/program.hpp"
#include "canvas.hpp"
#include "halftone/core/io/attention_file.hpp"
#include "halftone/core/io/bench_file.hpp"
#include "halftone/core/io/mask_file.hpp"

namespace halftone::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::vector<std::string> kMasks{"halftone", "halftone_landmarks", "mean_topk", "bigbird", "strided", "local"};

class Demo : public CommandTest {
 protected:
  Demo() { io::write_activations(path("qkv.h5"), activations(1000), test_provenance()); }

  std::string demo(const std::string& density = "0.5") const {
    return run_well({"demo", "--sample", "qkv.h5", "--density", density, "--out", "demo"});
  }

  template <class T>
  std::vector<T> column(const std::string& name) const {
    return std::get<std::vector<T>>(io::read_bench(path("demo/demo.h5")).table.column(name).values);
  }
};

TEST_F(Demo, PrintsOneRowPerPattern) {
  const std::string out = demo();
  for (const char* row : {"\nhalftone  ", "\nhalftone + landmarks  ", "\nmean_topk  ", "\nbigbird  ", "\nstrided  ",
                          "\nlocal  ", "\ndense  "})
    EXPECT_THAT(out, HasSubstr(row));
  EXPECT_THAT(out, AllOf(HasSubstr("1,000 tokens"), HasSubstr("peak memory"), HasSubstr("far mass"),
                         HasSubstr("Files in demo")));
}

TEST_F(Demo, ComparesAtEqualDensity) {
  demo();
  const auto pattern = column<std::string>("pattern");
  ASSERT_EQ(pattern.size(), 7u);
  EXPECT_EQ(pattern[0], "dense");
  const auto density = column<double>("density"), error = column<double>("relative_error"),
             mass = column<double>("captured_mass");
  const auto far = column<double>("far_mass"), speedup = column<double>("speedup");
  for (std::size_t i = 1; i < 7; ++i) {
    EXPECT_NEAR(density[i], 0.5, 0.02) << pattern[i];  // 72 blocks a head: one block is 0.014
    EXPECT_GT(error[i], 0.0) << pattern[i];
    EXPECT_LT(mass[i], 1.0) << pattern[i];
    EXPECT_GT(mass[i], 0.0) << pattern[i];
    EXPECT_GT(speedup[i], 0.0) << pattern[i];
    EXPECT_EQ(far[i] > 0.0, pattern[i] == "halftone + landmarks") << pattern[i];
  }
  EXPECT_EQ(density[0], 1.0);
  EXPECT_EQ(error[0], 0.0);
  EXPECT_EQ(io::read_bench(path("demo/demo.h5")).samples.size(), 7u);
}

// The masks and outputs in the files are those that the numbers speak of.
TEST_F(Demo, FilesAgreeWithEachOther) {
  demo();
  const auto density = column<double>("density");
  for (std::size_t i = 0; i < kMasks.size(); ++i) {
    std::int64_t kept = 0, visible = 0;
    for (const io::MaskLayer& layer : io::read_mask(path("demo/masks/" + kMasks[i] + ".h5"))) {
      kept += layer.mask.kept();
      visible += layer.mask.visible;
    }
    EXPECT_DOUBLE_EQ(density[i + 1], static_cast<double>(kept) / static_cast<double>(visible)) << kMasks[i];
  }
  run_well({"attend", "--mask", "demo/masks/halftone.h5", "--activations", "qkv.h5", "--dense-reference", "--out",
            "again.h5"});
  const auto first = io::read_attention(path("demo/attention.h5")), again = io::read_attention(path("again.h5"));
  ASSERT_EQ(first.size(), 2u);
  for (std::size_t l = 0; l < 2; ++l) {
    EXPECT_EQ(first[l].lse, again[l].lse);
    EXPECT_EQ(first[l].errors[0].values, again[l].errors[0].values);
    EXPECT_EQ(first[l].errors[1].values, again[l].errors[1].values);
  }
  for (const char* picture : {"caught.png", "heads.png", "patterns.png"})
    EXPECT_TRUE(app::is_own_png(path(std::string("demo/") + picture)));
}

TEST_F(Demo, ComparesWithTheWholeLibrary) {
  const std::string out = run_well({"demo", "--sample", "qkv.h5", "--density", "0.5", "--all", "--out", "demo"});
  const auto pattern = column<std::string>("pattern");
  const auto density = column<double>("density");
  for (const char* name : {"dilated", "fixed", "hierarchical", "longformer", "landmark", "landmark_adaptive", "random",
                           "minmax", "antidiagonal", "vertical_slash", "lsh", "routing"}) {
    const auto at = std::find(pattern.begin() + 7, pattern.end(), name);
    ASSERT_NE(at, pattern.end()) << name;
    EXPECT_NEAR(density[at - pattern.begin()], 0.5, 0.03) << name;
    EXPECT_THAT(out, HasSubstr(std::string("\n") + name + "  "));
    EXPECT_EQ(io::read_mask(path(std::string("demo/masks/") + name + ".h5")).size(), 2u);
  }
  EXPECT_EQ(pattern.size(), 19u);
  EXPECT_TRUE(app::is_own_png(path("demo/library.png")));

  // What cannot do with so little is left out, and said so.
  EXPECT_THAT(run_well({"demo", "--sample", "qkv.h5", "--density", "0.225", "--all", "--out", "demo"}),
              HasSubstr("left out: hierarchical: density: got 0.225, expected "));
}

TEST_F(Demo, ReplacesWhatItMadeButNothingElse) {
  demo();
  EXPECT_THAT(demo("0.6"), HasSubstr("Replaced the files of an earlier run in demo"));
  EXPECT_NEAR(column<double>("density")[1], 0.6, 0.02);

  write_text(path("demo/notes.txt"), "mine");
  demo();
  EXPECT_EQ(read_text(path("demo/notes.txt")), "mine");

  for (const char* name : {"demo/caught.png", "demo/demo.h5", "demo/masks/local.h5"}) {
    const std::string before = read_text(path(name));
    write_text(path(name), "mine");
    expect_refused({"demo", "--sample", "qkv.h5", "--density", "0.5", "--out", "demo"}, 2,
                   AllOf(HasSubstr(std::string(name) + ": exists and was not made by halftone"), HasSubstr("--force")));
    write_text(path(name), before);
  }
  // A halftone file of another kind is somebody's work, too.
  std::filesystem::copy_file(path("qkv.h5"), path("demo/demo.h5"), std::filesystem::copy_options::overwrite_existing);
  expect_refused({"demo", "--sample", "qkv.h5", "--density", "0.5", "--out", "demo"}, 2,
                 HasSubstr("demo/demo.h5: exists"));
  run_well({"demo", "--sample", "qkv.h5", "--density", "0.5", "--out", "demo", "--force"});
}

// Just above the diagonal, 2 of 9 blocks a row, there is no room for sinks and forced near fields: all do without.
TEST_F(Demo, GoesDownToTheDiagonal) {
  EXPECT_THAT(demo("0.225"), HasSubstr("\nlocal  "));
  for (const double density : column<double>("density"))
    EXPECT_TRUE(density == 1.0 || std::abs(density - 0.225) < 0.005) << density;
}

}  // namespace
}  // namespace halftone::testing
