#include "halftone/core/error.hpp"

#include <fmt/format.h>

namespace halftone {

InvalidArgument::InvalidArgument(std::string_view argument, std::string_view got, std::string_view expected)
    : Error(fmt::format("{}: got {}, expected {}", argument, got, expected)) {}

FileError::FileError(std::string_view path, std::string_view problem) : Error(fmt::format("{}: {}", path, problem)) {}

}  // namespace halftone
