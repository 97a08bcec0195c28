// The flags of the GPU benchmark.
#include "bench/cuda/options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "halftone/core/error.hpp"
#include "support/messages.hpp"

namespace halftone::bench {
namespace {

using halftone::testing::message_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A command line, and what take_options leaves of it.
struct CommandLine {
  explicit CommandLine(std::vector<std::string> words) : words(std::move(words)) {
    for (std::string& word : this->words) rest.push_back(word.data());
  }
  std::vector<std::string> left() const { return {rest.begin(), rest.end()}; }

  std::vector<std::string> words;
  std::vector<char*> rest;
};

TEST(BenchOptions, TheTableTakesEveryFlagInAnyOrder) {
  CommandLine line({"bench", "--halftone_hdf5=t.h5", "--halftone_mask=m.h5", "--halftone_table",
                    "--halftone_rows=dim64", "--halftone_samples=30", "--halftone_plans=0", "--halftone_kernel=wmma"});
  const Options options = take_options(line.rest);
  EXPECT_THAT(line.left(), ElementsAre("bench"));
  EXPECT_TRUE(options.table);
  EXPECT_EQ(options.hdf5_file, "t.h5");
  EXPECT_EQ(options.mask_file, "m.h5");
  EXPECT_EQ(options.filter, "dim64");
  EXPECT_EQ(options.samples, 30);
  EXPECT_EQ(options.plans, 0);
  EXPECT_EQ(options.kernel, "wmma");
  EXPECT_EQ(options.command.rfind("bench --halftone_hdf5=t.h5 ", 0), 0u) << options.command;
}

TEST(BenchOptions, WithoutTheTableTheHarnessKeepsItsFlags) {
  CommandLine line({"bench", "--benchmark_filter=x", "--halftone_hdf5=t.h5", "--halftone_mask=m.h5"});
  const Options options = take_options(line.rest);
  EXPECT_THAT(line.left(), ElementsAre("bench", "--benchmark_filter=x", "--halftone_hdf5=t.h5"));
  EXPECT_FALSE(options.table);
  EXPECT_EQ(options.hdf5_file, "");
  EXPECT_EQ(options.mask_file, "m.h5");
}

TEST(BenchOptions, Refusals) {
  const auto refusal = [](const std::string& flag) {
    CommandLine line({"bench", "--halftone_table", flag});
    return message_of<InvalidArgument>([&] { take_options(line.rest); });
  };
  EXPECT_THAT(refusal("--halftone_samples=0"), HasSubstr("--halftone_samples"));
  EXPECT_THAT(refusal("--halftone_plans=2x"), HasSubstr("2x"));
  EXPECT_THAT(refusal("--halftone_hdf=t.h5"), HasSubstr("--halftone_hdf=t.h5"));
}

}  // namespace
}  // namespace halftone::bench
