// A full disk, played by a limit on the size of files: writes past it fail as they do on a full disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cerrno>
#include <csignal>

#include "halftone/core/io/activations.hpp"
#include "halftone/core/io/file.hpp"
#include "halftone/core/io/temporary_file.hpp"
#include "io/temporary_folder.hpp"
#include "support/messages.hpp"
#include "support/random.hpp"

namespace halftone::io {
namespace {

using halftone::testing::message_of;
using halftone::testing::random_tensor;
using halftone::testing::read_text;
using halftone::testing::test_provenance;
using halftone::testing::write_text;
using ::testing::ElementsAre;

/// Files cannot grow beyond `bytes` while it lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_;
  void (*handler_)(int);
};

class DiskFull : public halftone::testing::FileTest {};

ActivationsFile activations() {
  ActivationsFile file;
  for (int index = 0; index < 3; ++index)
    file.layers.push_back({index,
                           random_tensor(DType::bfloat16, {1, 2, 300, 64}, 1),
                           random_tensor(DType::bfloat16, {1, 1, 300, 64}, 2),
                           random_tensor(DType::bfloat16, {1, 1, 300, 64}, 3),
                           0.125f,
                           true,
                           {}});
  return file;
}

// HDF5 fails in other places depending on how much was written: raw data, headers, at closing.
TEST_F(DiskFull, AnyMomentGivesOneLineAndLeavesTheOldFile) {
  const ActivationsFile file = activations();
  write_activations(path("whole.h5"), file, test_provenance());
  const auto size = std::filesystem::file_size(path("whole.h5"));
  std::filesystem::remove(path("whole.h5"));
  write_text(path("a.h5"), "precious");
  for (rlim_t limit = 0; limit < size; limit += size / 97) {
    const FileSizeLimit full(limit);
    EXPECT_EQ(message_of<FileError>([&] { write_activations(path("a.h5"), file, test_provenance()); }),
              path("a.h5") + ": cannot write: File too large");
    ASSERT_THAT(names(), ElementsAre("a.h5")) << limit;
    ASSERT_EQ(read_text(path("a.h5")), "precious") << limit;
  }
  write_activations(path("a.h5"), file, test_provenance());
  EXPECT_EQ(read_activations(path("a.h5")).layers.size(), 3u);
}

TEST_F(DiskFull, IsNamedInWords) {
  const TemporaryFile file(path("a.h5"));
  EXPECT_EQ(message_of<FileError>([&] { file.fail_write(ENOSPC); }),
            path("a.h5") + ": cannot write: disk full (No space left on device)");
}

TEST_F(DiskFull, AbandonedWritersCloseQuietly) {
  for (rlim_t limit : {0, 1000, 5000, 100000}) {
    const FileSizeLimit full(limit);
    FileWriter writer(path("a.h5"), "tokens", test_provenance());
    const std::vector<double> values(100000, 1.0);
    const Dataset kept_open = writer.root().write<double>("values", values, {100000}, {"1", "", false});
  }
  EXPECT_TRUE(names().empty());
}

}  // namespace
}  // namespace halftone::io
