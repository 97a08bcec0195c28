// Where a file comes from: the root attributes that every file carries.
#pragma once

#include <cstdint>
#include <string>

namespace halftone::io {

/// How a file was made. Files from elsewhere may lack any of it: the field is then empty.
struct Provenance {
  std::string command;           ///< the command line or call that made the file
  std::uint64_t seed = 0;        ///< of every random choice
  std::string software_version;  ///< git describe of the build, or the project's version without git
  std::string date;              ///< ISO 8601, UTC
  std::string machine;           ///< operating system, processor, number of hardware threads
  std::string kokkos;            ///< version and execution spaces
  std::string compiler;          ///< name and version
};

/// All fields for this program, machine and moment.
Provenance make_provenance(std::string command, std::uint64_t seed = 0);

/// The version of this build, as in Provenance::software_version.
std::string software_version();

}  // namespace halftone::io
