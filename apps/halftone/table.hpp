// Aligned tables and numbers for people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace halftone::app {

/// Text in columns: the first one flush left, the others flush right.
struct TextTable {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;  ///< as many cells as the header

  std::string to_string() const;
};

/// The text broken at blanks into lines of at most `width` characters (longer words stay whole).
std::string wrap(std::string_view text, std::size_t width);

/// "9.98 %"
std::string percent(double share);
/// "1.52 s", "83.1 ms"
std::string duration(double seconds);
/// "16,384"
std::string with_commas(std::int64_t number);

}  // namespace halftone::app
