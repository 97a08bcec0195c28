// Whole files: written under a temporary name and renamed, checked on opening.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "halftone/core/io/hdf5.hpp"
#include "halftone/core/io/provenance.hpp"

namespace halftone::io {

/// Version of the layout; readers refuse another major number.
inline constexpr int kFormatMajor = 1, kFormatMinor = 0;

/// Writes `path` in one step: everything goes to a temporary file in the same folder, which commit() makes durable and
/// renames. Without commit() the temporary is removed and whatever `path` held stays as it was.
/// Throws FileError: folder missing or not writable (at once), disk full, any other failure to write.
class FileWriter {
 public:
  /// `kind`: activations, mask, attention, bench, calibration, eval, model or tokens.
  FileWriter(const std::string& path, std::string_view kind, const Provenance& provenance);
  ~FileWriter();
  FileWriter(FileWriter&&) noexcept;
  FileWriter& operator=(FileWriter&&) = delete;

  Group root() const;
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The root of any HDF5 file, read-only. Throws FileError: missing file, no permission, not an HDF5 file, truncated.
Group open_file(const std::string& path);

/// An open halftone file of a given kind.
/// Throws FileError: open_file's reasons, not a halftone file, unknown major version, another kind.
class FileReader {
 public:
  FileReader(const std::string& path, std::string_view kind);

  Group root() const { return root_; }
  Provenance provenance() const;

 private:
  Group root_;
};

/// Throws FileError when a file cannot be created at `path` (folder missing or not writable, path a folder); a check
/// before long work whose result goes there.
void require_writable(const std::string& path);

/// A tree of groups, datasets (shape, type) and attributes of any HDF5 file, one line each, for people.
std::string inspect(const std::string& path);

}  // namespace halftone::io
