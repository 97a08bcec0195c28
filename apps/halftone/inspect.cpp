// halftone inspect: what is in an HDF5 file.
#include <fmt/format.h>

#include <memory>
#include <string>

#include "commands.hpp"
#include "halftone/core/io/file.hpp"

namespace halftone::app {

void add_inspect(CLI::App& program, Invocation& invocation) {
  CLI::App* command = program.add_subcommand("inspect", "Show groups, datasets and attributes of an HDF5 file");
  auto path = std::make_shared<std::string>();
  command->add_option("file", *path, "The file")->type_name("FILE")->required();
  command->callback([&invocation, path] { invocation.run = [path] { fmt::print("{}\n", io::inspect(*path)); }; });
}

}  // namespace halftone::app
