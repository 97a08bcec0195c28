// Output that cannot be written: refused before the work where that can be known, and never half written.
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>

#include "app/program.hpp"
#include "halftone/core/io/attention_file.hpp"
#include "halftone/core/io/mask_file.hpp"
#include "halftone/core/io/tokens_file.hpp"

namespace halftone::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int kFailure = 1, kUsage = 2;

class BadOutput : public CommandTest {
 protected:
  BadOutput() {
    std::vector<std::int32_t> tokens(64);
    for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<std::int32_t>(i % 11);
    io::write_tokens(path("tokens.h5"), {{"a", "", "", 64, tokens}}, 0, test_provenance());
  }

  // Every command that writes one file, writing `out`.
  static std::vector<std::vector<std::string>> writers(const std::string& out) {
    return {{"mask", "--pattern", "local", "--activations", "qkv.h5", "--out", out},
            {"mask", "--pattern", "local", "--seq", "4096", "--heads", "8", "--out", out},
            {"attend", "--pattern", "local", "--activations", "qkv.h5", "--out", out},
            {"activations", "--model", HALFTONE_TINY_MODEL, "--tokens", "tokens.h5", "--document", "a", "--length",
             "32", "--out", out}};
  }
};

TEST_F(BadOutput, PlacesThatCannotBeWritten) {
  write_text(path("file"), "a file");
  std::filesystem::create_directory(path("folder"));
  for (const auto& arguments : writers("nowhere/out.h5"))
    expect_refused(arguments, kFailure, HasSubstr("nowhere/out.h5: cannot write"));
  for (const auto& arguments : writers("file/out.h5"))
    expect_refused(arguments, kFailure, HasSubstr("file/out.h5: cannot write"));
  for (auto arguments : writers("folder")) {
    expect_refused(arguments, kUsage, HasSubstr("folder: exists already"));
    arguments.push_back("--force");
    expect_refused(arguments, kFailure, HasSubstr("folder: cannot write"));
  }
  expect_refused({"mask", "--pattern", "local", "--seq", "512", "--out", "new.h5", "--png", "nowhere/new.png"},
                 kFailure, HasSubstr("nowhere/new.png: cannot write"));
  expect_refused({"demo", "--sample", "qkv.h5", "--out", "nowhere/demo"}, kFailure,
                 HasSubstr("nowhere/demo: cannot be made a folder"));
  expect_refused({"demo", "--sample", "qkv.h5", "--out", "file"}, kFailure, HasSubstr("file: cannot be made a folder"));
}

// The place is looked at first: were the work done first, the other complaint would come.
TEST_F(BadOutput, IsFoundBeforeTheWork) {
  expect_refused({"attend", "--pattern", "local", "--activations", "none.h5", "--out", "nowhere/out.h5"}, kFailure,
                 HasSubstr("nowhere"));
  expect_refused({"mask", "--pattern", "local", "--activations", "none.h5", "--out", "nowhere/out.h5"}, kFailure,
                 HasSubstr("nowhere"));
  expect_refused(
      {"activations", "--model", "none.h5", "--tokens", "none.h5", "--document", "a", "--out", "nowhere/out.h5"},
      kFailure, HasSubstr("nowhere"));
  expect_refused({"demo", "--sample", "none.h5", "--out", "nowhere/demo"}, kFailure, HasSubstr("nowhere"));
}

TEST_F(BadOutput, NothingIsOverwrittenWithoutForce) {
  write_text(path("precious.h5"), "precious");
  for (auto arguments : writers("precious.h5")) {
    expect_refused(arguments, kUsage, AllOf(HasSubstr("precious.h5: exists already"), HasSubstr("--force")));
    arguments.push_back("--force");
    run_well(arguments);
    EXPECT_NE(read_text(path("precious.h5")), "precious");
    write_text(path("precious.h5"), "precious");
  }
  expect_refused({"mask", "--pattern", "local", "--seq", "512", "--out", "new.h5", "--png", "precious.h5"}, kUsage,
                 HasSubstr("precious.h5: exists already"));
}

// A limit on the size of files fails writes as a full disk does, at any chosen byte.
TEST_F(BadOutput, DiskFullAtAnyMoment) {
  for (auto arguments : writers("precious.h5")) {
    arguments.push_back("--force");
    run_well(arguments);
    const auto size = std::filesystem::file_size(path("precious.h5"));
    write_text(path("precious.h5"), "precious");
    for (const rlim_t limit : {rlim_t{0}, size / 3, size / 2, size - size / 10})
      expect_refused(arguments, kFailure, HasSubstr("precious.h5: cannot write"), limit);
  }
}

TEST_F(BadOutput, DiskFullForPictures) {
  for (const rlim_t limit : {0, 4000}) {
    expect_refused({"mask", "--pattern", "bigbird", "--seq", "512", "--out", "mask.h5", "--png", "mask.png"}, kFailure,
                   HasSubstr("cannot write"), limit);
  }
  // Room for the mask, but not for the picture: what was finished is whole.
  const Outcome outcome = run(
      {"mask", "--pattern", "local", "--seq", "4096", "--heads", "16", "--out", "mask.h5", "--png", "mask.png"}, 30000);
  EXPECT_EQ(outcome.status, kFailure);
  EXPECT_THAT(outcome.err, ::testing::MatchesRegex("halftone: error: mask.png: cannot write: [^\n]+\n"));
  EXPECT_THAT(names(), ::testing::UnorderedElementsAre("qkv.h5", "tokens.h5", "mask.h5"));
  EXPECT_EQ(io::read_mask(path("mask.h5")).size(), 1u);
}

TEST_F(BadOutput, DiskFullInTheDemo) {
  io::write_activations(path("qkv.h5"), activations(700), test_provenance());
  for (const rlim_t limit : {0, 5000})
    expect_refused({"demo", "--sample", "qkv.h5", "--density", "0.6", "--out", "new"}, kFailure,
                   HasSubstr("cannot write"), limit);

  // Masks fit, outputs do not: the files that are there are whole.
  const Outcome outcome = run({"demo", "--sample", "qkv.h5", "--density", "0.6", "--out", "new"}, 40000);
  EXPECT_EQ(outcome.status, kFailure);
  EXPECT_THAT(outcome.err, ::testing::MatchesRegex("halftone: error: new/attention.h5: cannot write: [^\n]+\n"));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path("new"))) {
    if (entry.is_directory()) continue;
    EXPECT_EQ(entry.path().extension(), ".h5") << entry.path();
    EXPECT_EQ(io::read_mask(entry.path()).size(), 2u) << entry.path();
  }
}

// A disk that is really full, where this process may mount one; elsewhere the limits above play its part.
TEST_F(BadOutput, FullDisk) {
  std::filesystem::create_directory(path("disk"));
  if (mount("none", path("disk").c_str(), "tmpfs", 0, "size=4k") != 0) return;
  for (const auto& arguments : writers("disk/out.h5"))
    expect_refused(arguments, kFailure, HasSubstr("disk/out.h5: cannot write: disk full"));
  expect_refused({"demo", "--sample", "qkv.h5", "--density", "0.9", "--out", "disk/demo"}, kFailure,
                 HasSubstr("disk full"));
  umount(path("disk").c_str());
}

// Interrupted as soon as it writes: the file is there as a whole, or not at all.
TEST_F(BadOutput, InterruptsLeaveNoHalfFile) {
  io::write_activations(path("qkv.h5"), activations(8000), test_provenance());
  const auto interrupt = [this](pid_t program) {
    // Before the work a probe of the same name comes and goes; the file itself has contents.
    const auto begun = [&] {
      for (const auto& entry : std::filesystem::directory_iterator(folder())) {
        std::error_code gone;
        if (entry.path().filename().string().find("new.h5") != std::string::npos && entry.file_size(gone) > 0 && !gone)
          return true;
      }
      return false;
    };
    for (int tries = 0; !begun() && tries < 300000; ++tries) usleep(100);
    kill(program, SIGINT);
  };
  const Outcome outcome = run_halftone({"attend", "--pattern", "local", "--activations", "qkv.h5", "--out", "new.h5"},
                                       folder(), RLIM_INFINITY, interrupt);
  EXPECT_THAT(outcome.status, ::testing::AnyOf(128 + SIGINT, 0)) << outcome.err;  // 0: it was faster
  ASSERT_THAT(names(), ::testing::UnorderedElementsAre("qkv.h5", "tokens.h5", "new.h5"));
  EXPECT_EQ(io::read_attention(path("new.h5")).size(), 2u);
}

TEST_F(BadOutput, StandardOutputThatIsFull) {
  const std::string command = std::string(HALFTONE_PROGRAM) + " list > /dev/full 2> " + path("err");
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), kFailure);
  EXPECT_THAT(read_text(path("err")), ::testing::MatchesRegex("halftone: error: [^\n]+\n"));
}

}  // namespace
}  // namespace halftone::testing
