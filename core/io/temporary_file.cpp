#include "halftone/core/io/temporary_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "halftone/core/error.hpp"

namespace halftone::io {
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

/// Flushes a folder's entries, so that a rename survives a power cut. Some file systems cannot: then nothing is lost
/// but that guarantee.
void sync_folder(const std::string& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

}  // namespace

TemporaryFile::TemporaryFile(const std::string& path) : path_(path) {
  const std::filesystem::path target(path);
  const std::string folder = folder_of(path);
  std::error_code ignored;
  if (target.filename().empty() || std::filesystem::is_directory(target, ignored))
    throw FileError(path, "cannot write: it is a folder, expected a file name");
  if (std::filesystem::exists(target, ignored) && !std::filesystem::is_regular_file(target, ignored))
    throw FileError(path, "cannot write: it exists and is not a regular file");
  if (!std::filesystem::is_directory(folder, ignored))
    throw FileError(path, fmt::format("cannot write: there is no folder {}", folder));
  if (std::filesystem::exists(target, ignored) && ::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) != 0)
    throw FileError(path, fmt::format("cannot write: it exists and cannot be replaced: {}", reason(errno)));

  static std::atomic<unsigned> counter{0};
  do {
    temporary_ = fmt::format("{}/.{}.tmp-{}-{}", folder, target.filename().string(), ::getpid(), counter++);
    descriptor_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && errno == EEXIST);
  if (descriptor_ < 0)
    throw FileError(path, fmt::format("cannot write: cannot create files in folder {}: {}", folder, reason(errno)));
}

TemporaryFile::~TemporaryFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void TemporaryFile::rename() {
  if (::fsync(descriptor_) != 0 && errno != EINVAL) fail_write(errno);  // EINVAL: the file system has no fsync
  if (::close(std::exchange(descriptor_, -1)) != 0) fail_write(errno);
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail_write(errno);
  temporary_.clear();
  sync_folder(folder_of(path_));
}

void TemporaryFile::fail_write(int error) const {
  const bool full = error == ENOSPC || error == EDQUOT;
  throw FileError(path_, full ? fmt::format("cannot write: disk full ({})", reason(error))
                              : fmt::format("cannot write: {}", reason(error)));
}

}  // namespace halftone::io
