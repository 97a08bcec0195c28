#include "halftone/core/io/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <system_error>

#include "halftone/core/io/hdf5_detail.hpp"
#include "halftone/core/io/output_driver.hpp"
#include "halftone/core/io/temporary_file.hpp"

namespace halftone::io {
namespace {

/// Provenance attributes that are text, by name.
constexpr std::array<std::pair<const char*, std::string Provenance::*>, 6> kTextAttributes{{
    {"software_version", &Provenance::software_version},
    {"date", &Provenance::date},
    {"command", &Provenance::command},
    {"machine", &Provenance::machine},
    {"kokkos", &Provenance::kokkos},
    {"compiler", &Provenance::compiler},
}};

/// Throws FileError unless the path names a file that can be opened and holds HDF5.
void require_hdf5(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    throw FileError(path, errno == ENOENT ? "no such file" : "cannot open: " + std::generic_category().message(errno));
  struct stat info;
  const bool known = ::fstat(descriptor, &info) == 0;
  ::close(descriptor);
  if (known && S_ISDIR(info.st_mode)) throw FileError(path, "it is a folder, expected an HDF5 file");
  if (H5Fis_hdf5(path.c_str()) <= 0) throw FileError(path, "not an HDF5 file");
}

/// Whether HDF5's last error says that the file ends before its content does.
bool is_truncated() {
  bool truncated = false;
  const auto look = [](unsigned, const H5E_error2_t* error, void* found) -> herr_t {
    if (error->min_num == H5E_TRUNCATED) *static_cast<bool*>(found) = true;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, look, &truncated);
  return truncated;
}

void check_header(const Group& root, std::string_view kind) {
  if (!root.has_attribute("format") || root.string_attribute("format") != "halftone")
    root.fail("not a halftone file: attribute `format` is missing or not \"halftone\"");
  const std::string version = root.string_attribute("format_version");
  int major = -1;
  std::from_chars(version.data(), version.data() + version.size(), major);
  if (major != kFormatMajor)
    root.fail(fmt::format("attribute `format_version`: got {}, expected {}.x", version, kFormatMajor));
  const std::string found = root.string_attribute("kind");
  if (found != kind) root.fail(fmt::format("attribute `kind`: got {}, expected {}", found, kind));
}

Group checked_root(const std::string& path, std::string_view kind) {
  Group root = open_file(path);
  check_header(root, kind);
  return root;
}

}  // namespace

Group open_file(const std::string& path) {
  silence_hdf5();
  require_hdf5(path);
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  // Finished files never change, and some network file systems have no locks.
  H5Pset_file_locking(access.id(), false, true);
  const Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.id()), H5Fclose);
  if (file.id() < 0) {
    if (is_truncated()) throw FileError(path, "truncated: the file is shorter than its content");
    throw FileError(path, "cannot open: " + hdf5_reason());
  }
  Handle root(H5Gopen2(file.id(), "/", H5P_DEFAULT), H5Gclose);
  if (root.id() < 0) throw FileError(path, "cannot open: " + hdf5_reason());
  return Group(std::move(root), std::make_shared<std::string>(path), "/");
}

struct FileWriter::State {
  State(const std::string& path)
      : name(std::make_shared<std::string>(path)),
        temporary(path),
        file(create_output(temporary.descriptor(), write_error, path)) {}

  std::shared_ptr<const std::string> name;
  TemporaryFile temporary;
  int write_error = 0;
  Handle file;
};

FileWriter::FileWriter(const std::string& path, std::string_view kind, const Provenance& provenance) {
  silence_hdf5();
  state_ = std::make_unique<State>(path);
  const Group file = root();
  file.set_string("format", "halftone");
  file.set_string("format_version", fmt::format("{}.{}", kFormatMajor, kFormatMinor));
  file.set_string("kind", kind);
  for (const auto& [attribute, field] : kTextAttributes) file.set_string(attribute, provenance.*field);
  file.set_unsigned("seed", provenance.seed);
}

FileWriter::~FileWriter() = default;
FileWriter::FileWriter(FileWriter&&) noexcept = default;

Group FileWriter::root() const {
  return Group(Handle(H5Gopen2(state_->file.id(), "/", H5P_DEFAULT), H5Gclose), state_->name, "/");
}

void FileWriter::commit() {
  State& state = *state_;
  if (H5Fflush(state.file.id(), H5F_SCOPE_GLOBAL) < 0) throw FileError(*state.name, "cannot write: " + hdf5_reason());
  state.file = Handle();
  if (state.write_error != 0) state.temporary.fail_write(state.write_error);
  state.temporary.rename();
}

FileReader::FileReader(const std::string& path, std::string_view kind) : root_(checked_root(path, kind)) {}

Provenance FileReader::provenance() const {
  Provenance provenance;
  for (const auto& [attribute, field] : kTextAttributes)
    if (root_.has_attribute(attribute)) provenance.*field = root_.string_attribute(attribute);
  if (root_.has_attribute("seed")) provenance.seed = root_.unsigned_attribute("seed");
  return provenance;
}

void require_writable(const std::string& path) { TemporaryFile probe(path); }

}  // namespace halftone::io
