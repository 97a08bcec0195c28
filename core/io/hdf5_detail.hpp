// HDF5 types and error reasons, for the sources of this folder.
#pragma once

#include <hdf5.h>

#include <optional>
#include <string>

#include "halftone/core/io/hdf5.hpp"

namespace halftone::io {

static_assert(std::is_same_v<hid_t, std::int64_t> && std::is_same_v<herr_t, int>);

/// Stops HDF5 from printing its errors, in this thread; they become exceptions.
void silence_hdf5();

/// The innermost reason of HDF5's last error, in one line.
std::string hdf5_reason();

/// The type of `type`'s elements in memory and in files of this machine.
Handle native_type(NumberType type);
/// Variable-length UTF-8.
Handle string_type();

/// The NumberType a file's type stands for (bfloat16 aside, which is uint16 to HDF5).
std::optional<NumberType> number_type(hid_t type);
/// For people: "float16", "int16", "string", "compound of 12 bytes".
std::string describe_type(hid_t type);

/// Lengths of a dataspace's dimensions.
Shape shape_of(hid_t space);

/// The elements of a string type, read by `read` (H5Aread or H5Dread on the given id).
using ReadStrings = herr_t (*)(hid_t id, hid_t memory_type, void* buffer);
std::optional<std::vector<std::string>> read_strings(hid_t id, hid_t file_type, std::size_t count, ReadStrings read);

}  // namespace halftone::io
