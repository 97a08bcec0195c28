// The files of a demo run: a folder that later runs may refresh, and nothing else may be overwritten in.
#pragma once

#include <string>
#include <vector>

namespace halftone::app {

/// Creates the folder (and masks/ in it) where needed, and takes it away again if it stays empty.
class DemoFolder {
 public:
  /// `names`: the files that will be written. Throws FileError when the folder cannot be made or written to, and
  /// UsageError when a file of one of those names is there that halftone did not make (unless `force`).
  DemoFolder(const std::string& path, const std::vector<std::string>& names, bool force);
  ~DemoFolder();
  DemoFolder(const DemoFolder&) = delete;

  std::string file(const std::string& name) const;
  /// Whether files of an earlier run are about to be replaced.
  bool refreshes() const { return refreshes_; }

 private:
  std::string path_;
  std::vector<std::string> created_;
  bool refreshes_ = false;
};

}  // namespace halftone::app
