#include "options.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "halftone/core/error.hpp"

namespace halftone::bench {
namespace {

int parse(std::string_view flag, std::string_view text, int least) {
  int value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc{} || end != text.data() + text.size() || value < least)
    throw InvalidArgument(flag, text, "a whole number from " + std::to_string(least));
  return value;
}

bool starts(std::string_view argument, std::string_view flag, std::string_view& value) {
  if (!argument.starts_with(flag)) return false;
  value = argument.substr(flag.size());
  return true;
}

}  // namespace

Options take_options(std::vector<char*>& arguments) {
  Options options;
  options.command = fmt::format("{}", fmt::join(arguments, " "));
  options.table = std::any_of(arguments.begin(), arguments.end(),
                              [](const char* argument) { return std::string_view(argument) == "--halftone_table"; });
  std::erase_if(arguments, [&](const char* argument) {
    std::string_view value;
    if (std::string_view(argument) == "--halftone_table") return true;
    if (options.table && starts(argument, "--halftone_hdf5=", value))
      options.hdf5_file = value;
    else if (starts(argument, "--halftone_mask=", value))
      options.mask_file = value;
    else if (starts(argument, "--halftone_kernel=", value))
      options.kernel = value;
    else if (starts(argument, "--halftone_rows=", value))
      options.filter = value;
    else if (starts(argument, "--halftone_samples=", value))
      options.samples = parse("--halftone_samples", value, 1);
    else if (starts(argument, "--halftone_plans=", value))
      options.plans = parse("--halftone_plans", value, 0);
    else
      return false;
    return true;
  });
  if (options.table && arguments.size() > 1) throw InvalidArgument("argument", arguments[1], "a flag of the table");
  return options;
}

}  // namespace halftone::bench
