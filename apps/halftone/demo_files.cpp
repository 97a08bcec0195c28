#include "demo_files.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "arguments.hpp"
#include "canvas.hpp"
#include "halftone/core/io/file.hpp"

namespace halftone::app {

namespace fs = std::filesystem;

namespace {

bool made_by_halftone(const fs::path& path) {
  if (path.extension() == ".png") return is_own_png(path.string());
  const std::string name = path.filename().string(), folder = path.parent_path().filename().string();
  const char* kind = folder == "masks" ? "mask" : name == "attention.h5" ? "attention" : "bench";
  try {
    const io::FileReader reader(path.string(), kind);
    return true;
  } catch (const FileError&) {
    return false;
  }
}

}  // namespace

DemoFolder::DemoFolder(const std::string& path, const std::vector<std::string>& names, bool force) : path_(path) {
  for (const fs::path& folder : {fs::path(path), fs::path(path) / "masks"}) {
    std::error_code error;
    if (fs::create_directory(folder, error))
      created_.push_back(folder.string());
    else if (!fs::is_directory(folder))
      throw FileError(folder.string(),
                      fmt::format("cannot be made a folder ({}), expected a new name in a folder that exists",
                                  error ? error.message() : "a file has that name"));
  }
  for (const std::string& name : names) {
    const bool there = fs::exists(file(name));
    refreshes_ = refreshes_ || there;
    if (there && !force && !made_by_halftone(file(name)))
      throw UsageError(fmt::format(
          "{}: exists and was not made by halftone; choose another --out, or add --force to replace it", file(name)));
    io::require_writable(file(name));
  }
}

DemoFolder::~DemoFolder() {
  std::error_code not_empty;  // then it stays
  for (auto folder = created_.rbegin(); folder != created_.rend(); ++folder) fs::remove(*folder, not_empty);
}

std::string DemoFolder::file(const std::string& name) const { return (fs::path(path_) / name).string(); }

}  // namespace halftone::app
