// A file that comes into being under its name all at once, or not at all.
#pragma once

#include <string>

namespace halftone::io {

/// An open, empty file with a temporary name (".NAME.tmp-PID-N") in the folder of `path`; removed on destruction unless
/// it was renamed. Throws FileError for `path`, in plain words.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& path);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  int descriptor() const { return descriptor_; }
  const std::string& temporary_name() const { return temporary_; }
  /// Makes the content durable and gives the file its name, replacing what had it.
  void rename();
  /// Throws the FileError for a write that failed with this errno value.
  [[noreturn]] void fail_write(int error) const;

 private:
  std::string path_, temporary_;
  int descriptor_ = -1;
};

}  // namespace halftone::io
