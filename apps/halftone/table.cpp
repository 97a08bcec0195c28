#include "table.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace halftone::app {

std::string TextTable::to_string() const {
  std::vector<std::size_t> widths;
  for (const std::string& cell : header) widths.push_back(cell.size());
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());

  const auto line = [&](const std::vector<std::string>& row) {
    std::string text = fmt::format("{:<{}}", row[0], widths[0]);
    for (std::size_t i = 1; i < row.size(); ++i) text += fmt::format("  {:>{}}", row[i], widths[i]);
    return text + "\n";
  };
  std::string text = line(header);
  text += std::string(text.size() - 1, '-') + "\n";
  for (const auto& row : rows) text += line(row);
  return text;
}

std::string wrap(std::string_view text, std::size_t width) {
  std::string wrapped;
  while (text.size() > width) {
    std::size_t at = text.rfind(' ', width);
    if (at == std::string_view::npos) at = text.find(' ');
    if (at == std::string_view::npos) break;
    wrapped.append(text.substr(0, at)).push_back('\n');
    text.remove_prefix(at + 1);
  }
  return wrapped.append(text);
}

std::string percent(double share) { return fmt::format("{:.{}f} %", 100.0 * share, share < 0.0995 ? 2 : 1); }

std::string duration(double seconds) {
  if (seconds >= 100.0) return fmt::format("{:.0f} s", seconds);
  if (seconds >= 1.0) return fmt::format("{:.2f} s", seconds);
  return fmt::format("{:.{}f} ms", 1e3 * seconds, seconds >= 0.1 ? 0 : 1);
}

std::string with_commas(std::int64_t number) {
  std::string text = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > (number < 0 ? 1 : 0); at -= 3)
    text.insert(static_cast<std::size_t>(at), 1, ',');
  return text;
}

}  // namespace halftone::app
