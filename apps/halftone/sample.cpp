#include "sample.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <vector>

#include "halftone/core/error.hpp"

namespace halftone::app {

namespace fs = std::filesystem;

namespace {

// The first HDF5 file of a folder, by name; empty when there is none.
std::string first_file(const fs::path& folder) {
  std::string first;
  std::error_code none;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, none)) {
    const std::string path = entry.path().string();
    if (entry.path().extension() == ".h5" && (first.empty() || path < first)) first = path;
  }
  return first;
}

}  // namespace

std::string find_sample() {
  std::error_code unknown;
  const fs::path program = fs::read_symlink("/proc/self/exe", unknown);
  const std::vector<fs::path> folders{program.parent_path() / HALFTONE_SAMPLE_INSTALL_DIR, HALFTONE_SAMPLE_SOURCE_DIR};
  for (const fs::path& folder : folders)
    if (const std::string file = first_file(folder.lexically_normal()); !file.empty()) return file;
  throw Error(fmt::format("no sample in {} nor {}; name an activations file with --sample FILE",
                          folders[0].lexically_normal().string(), folders[1].string()));
}

}  // namespace halftone::app
