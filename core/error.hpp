// Exceptions of the library. Every message is one line: what was wrong, and what would be right.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace halftone {

/// Base of every exception the library throws on purpose.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// An argument has a value the call cannot accept: "<argument>: got <got>, expected <expected>".
struct InvalidArgument : Error {
  InvalidArgument(std::string_view argument, std::string_view got, std::string_view expected);
};

/// A file cannot be read or written: "<path>: <problem>".
struct FileError : Error {
  FileError(std::string_view path, std::string_view problem);
};

/// No kernel, or not the one asked for, can serve the request; lists each refusal.
struct Unsupported : Error {
  using Error::Error;
};

}  // namespace halftone
