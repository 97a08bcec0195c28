#include "halftone/core/io/file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "io/temporary_folder.hpp"
#include "support/messages.hpp"

namespace halftone::io {
namespace {

namespace fs = std::filesystem;
using halftone::testing::message_of;
using halftone::testing::read_text;
using halftone::testing::remove_attribute;
using halftone::testing::replace_attribute;
using halftone::testing::test_provenance;
using halftone::testing::write_text;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class File : public halftone::testing::FileTest {
 protected:
  /// A file of kind "tokens" with one small dataset.
  std::string write_small(const std::string& name) const {
    FileWriter writer(path(name), "tokens", test_provenance());
    const std::vector<std::int32_t> values{1, 2, 3};
    writer.root().write<std::int32_t>("values", values, {3}, {"1", "three numbers"});
    writer.commit();
    return path(name);
  }

  std::string refusal(const std::string& path) const {
    return message_of<FileError>([&] { FileReader(path, "tokens"); });
  }
};

/// Runs an action as a user whom permissions bind (root passes them all).
template <class Action>
void without_privileges(const Action& action) {
  const bool root = geteuid() == 0;
  if (root) {
    ASSERT_EQ(seteuid(65534), 0);
  }
  action();
  if (root) {
    ASSERT_EQ(seteuid(0), 0);
  }
}

TEST_F(File, CarriesItsOrigin) {
  const Provenance expected = test_provenance();
  const FileReader reader(write_small("a.h5"), "tokens");
  const Group root = reader.root();
  EXPECT_EQ(root.string_attribute("format"), "halftone");
  EXPECT_EQ(root.string_attribute("format_version"), "1.0");
  EXPECT_EQ(root.string_attribute("kind"), "tokens");
  const Provenance found = reader.provenance();
  EXPECT_EQ(found.command, "halftone test");
  EXPECT_EQ(found.seed, 42u);
  EXPECT_EQ(found.software_version, expected.software_version);
  EXPECT_EQ(found.machine, expected.machine);
  EXPECT_EQ(found.kokkos, expected.kokkos);
  EXPECT_EQ(found.compiler, expected.compiler);
  EXPECT_EQ(found.date.size(), expected.date.size());
}

TEST_F(File, SeedsKeepAllBits) {
  FileWriter writer(path("a.h5"), "tokens", {"", ~0ull, "", "", "", "", ""});
  writer.commit();
  EXPECT_EQ(FileReader(path("a.h5"), "tokens").provenance().seed, ~0ull);
}

TEST_F(File, AppearsOnlyOnCommit) {
  FileWriter writer(path("a.h5"), "tokens", test_provenance());
  EXPECT_FALSE(fs::exists(path("a.h5")));
  ASSERT_EQ(names().size(), 1u);
  EXPECT_THAT(names().front(), StartsWith(".a.h5.tmp-" + std::to_string(getpid())));
  writer.commit();
  EXPECT_THAT(names(), ElementsAre("a.h5"));
}

TEST_F(File, WithoutCommitNothingIsLeftAndNothingIsOverwritten) {
  write_text(path("a.h5"), "precious");
  {
    FileWriter writer(path("a.h5"), "tokens", test_provenance());
    writer.root().create_group("half");
  }
  EXPECT_THAT(names(), ElementsAre("a.h5"));
  EXPECT_EQ(read_text(path("a.h5")), "precious");
}

TEST_F(File, CommitReplacesAnOlderFile) {
  write_text(path("a.h5"), "old");
  write_small("a.h5");
  EXPECT_EQ(FileReader(path("a.h5"), "tokens").root().dataset("values").read<std::int32_t>().size(), 3u);
}

TEST_F(File, SeveralWritersAtOnce) {
  FileWriter one(path("a.h5"), "tokens", test_provenance()), two(path("a.h5"), "mask", test_provenance());
  one.commit();
  two.commit();
  EXPECT_NO_THROW(FileReader(path("a.h5"), "mask"));
  EXPECT_THAT(names(), ElementsAre("a.h5"));
}

TEST_F(File, RelativePathsAndUsualPermissions) {
  const fs::path before = fs::current_path();
  fs::current_path(folder());
  FileWriter("plain.h5", "tokens", test_provenance()).commit();
  fs::current_path(before);
  const mode_t mask = umask(0);
  umask(mask);
  struct stat info;
  ASSERT_EQ(stat(path("plain.h5").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0666 & ~mask);
}

TEST_F(File, RefusesPlacesThatCannotBeWritten) {
  const auto refusal = [](const std::string& path) {
    const std::string message = message_of<FileError>([&] { FileWriter(path, "tokens", test_provenance()); });
    EXPECT_EQ(message_of<FileError>([&] { require_writable(path); }), message);
    return message;
  };
  EXPECT_EQ(refusal(path("no/a.h5")), path("no/a.h5") + ": cannot write: there is no folder " + path("no"));
  EXPECT_EQ(refusal(folder()), folder() + ": cannot write: it is a folder, expected a file name");
  EXPECT_EQ(refusal(folder() + "/"), folder() + "/: cannot write: it is a folder, expected a file name");
  EXPECT_EQ(refusal(""), ": cannot write: it is a folder, expected a file name");
  EXPECT_EQ(refusal("/dev/null"), "/dev/null: cannot write: it exists and is not a regular file");
  EXPECT_THAT(refusal("/proc/a.h5"), StartsWith("/proc/a.h5: cannot write: cannot create files in folder /proc: "));
  write_text(path("file"), "");
  EXPECT_EQ(refusal(path("file/a.h5")), path("file/a.h5") + ": cannot write: there is no folder " + path("file"));
  EXPECT_THAT(names(), ElementsAre("file"));
}

TEST_F(File, RefusesFoldersAndFilesWithoutPermission) {
  write_text(path("mine.h5"), "precious");
  fs::permissions(path("mine.h5"), fs::perms(0444));
  fs::permissions(folder(), fs::perms(0555));
  without_privileges([&] {
    EXPECT_EQ(message_of<FileError>([&] { FileWriter(path("a.h5"), "tokens", test_provenance()); }),
              path("a.h5") + ": cannot write: cannot create files in folder " + folder() + ": Permission denied");
    EXPECT_EQ(message_of<FileError>([&] { FileWriter(path("mine.h5"), "tokens", test_provenance()); }),
              path("mine.h5") + ": cannot write: it exists and cannot be replaced: Permission denied");
  });
  fs::permissions(folder(), fs::perms::owner_all);
  EXPECT_EQ(read_text(path("mine.h5")), "precious");
}

TEST_F(File, RequireWritableLeavesNothing) {
  require_writable(path("a.h5"));
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(File, RefusesWhatIsNotAFile) {
  EXPECT_EQ(refusal(path("no.h5")), path("no.h5") + ": no such file");
  EXPECT_EQ(refusal(folder()), folder() + ": it is a folder, expected an HDF5 file");
  write_text(path("text.h5"), "not HDF5 at all");
  EXPECT_EQ(refusal(path("text.h5")), path("text.h5") + ": not an HDF5 file");
  write_text(path("empty.h5"), "");
  EXPECT_EQ(refusal(path("empty.h5")), path("empty.h5") + ": not an HDF5 file");
  EXPECT_EQ(refusal(path("text.h5/a.h5")), path("text.h5/a.h5") + ": cannot open: Not a directory");
}

TEST_F(File, RefusesFilesWithoutPermission) {
  const std::string file = write_small("a.h5");
  fs::permissions(file, fs::perms::none);
  fs::permissions(folder(), fs::perms(0755));
  without_privileges([&] { EXPECT_EQ(refusal(file), file + ": cannot open: Permission denied"); });
}

TEST_F(File, RefusesTruncatedFilesOfAnyLength) {
  const std::string file = write_small("a.h5");
  for (const std::uintmax_t length : {fs::file_size(file) - 1, fs::file_size(file) / 2, std::uintmax_t{100}}) {
    fs::resize_file(file, length);
    EXPECT_EQ(refusal(file), file + ": truncated: the file is shorter than its content");
  }
  fs::resize_file(file, 20);  // less than HDF5's own header
  EXPECT_THAT(refusal(file), StartsWith(file + ": cannot open: "));
  fs::resize_file(file, 4);
  EXPECT_EQ(refusal(file), file + ": not an HDF5 file");
}

TEST_F(File, RefusesOtherFormatsVersionsAndKinds) {
  const std::string file = write_small("a.h5");
  EXPECT_EQ(message_of<FileError>([&] { FileReader(file, "mask"); }),
            file + ": attribute `kind`: got tokens, expected mask");

  replace_attribute(file, "/", "format_version", "1.7");
  EXPECT_NO_THROW(FileReader(file, "tokens"));
  for (const char* version : {"2.0", "0.9", "10.0", "new"}) {
    replace_attribute(file, "/", "format_version", version);
    EXPECT_EQ(refusal(file), file + ": attribute `format_version`: got " + version + ", expected 1.x");
  }
  remove_attribute(file, "/", "format_version");
  EXPECT_EQ(refusal(file), file + ": no attribute `format_version`");

  replace_attribute(file, "/", "format", "other");
  EXPECT_EQ(refusal(file), file + ": not a halftone file: attribute `format` is missing or not \"halftone\"");
  replace_attribute(file, "/", "format", 1.0);
  EXPECT_EQ(refusal(file), file + ": attribute `format`: got float64 [], expected one string");
  remove_attribute(file, "/", "format");
  EXPECT_EQ(refusal(file), file + ": not a halftone file: attribute `format` is missing or not \"halftone\"");
}

TEST_F(File, MessagesAreOneLine) {
  const std::string file = write_small("a.h5");
  fs::resize_file(file, fs::file_size(file) / 2);
  EXPECT_EQ(refusal(file).find('\n'), std::string::npos);
}

}  // namespace
}  // namespace halftone::io
