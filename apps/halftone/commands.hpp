// The commands: each adds itself to the program and says what to run.
#pragma once

#include <CLI/CLI.hpp>

#include "arguments.hpp"

namespace halftone::app {

void add_demo(CLI::App& program, Invocation& invocation);
void add_mask(CLI::App& program, Invocation& invocation);
void add_attend(CLI::App& program, Invocation& invocation);
void add_activations(CLI::App& program, Invocation& invocation);
void add_eval(CLI::App& program, Invocation& invocation);
void add_calibrate(CLI::App& program, Invocation& invocation);
void add_list(CLI::App& program, Invocation& invocation);
void add_inspect(CLI::App& program, Invocation& invocation);

}  // namespace halftone::app
