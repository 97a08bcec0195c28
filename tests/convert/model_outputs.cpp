// Prints what the library's forward pass makes of a document, for comparison with other implementations.
// usage: model_outputs MODEL TOKENS DOCUMENT; one line per token but the last: loss of the next token, then its logits.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <exception>
#include <span>

#include "halftone/core/io/tokens_file.hpp"
#include "halftone/eval/model/llama.hpp"

namespace {

using namespace halftone;

void print_outputs(const std::string& model_file, const std::string& token_file, const std::string& document) {
  const eval::LlamaModel model(io::read_model(model_file));
  const auto tokens = io::read_document(token_file, document).tokens;
  const auto losses = model.token_losses(tokens);
  const auto logits = Kokkos::create_mirror_view_and_copy(
      HostSpace{}, model.logits(model.forward(std::span(tokens).first(losses.size()))));
  for (std::size_t row = 0; row < losses.size(); ++row) {
    const std::span<const float> values(&logits(row, 0), logits.extent(1));
    fmt::print("{} {}\n", losses[row], fmt::join(values, " "));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "usage: model_outputs MODEL TOKENS DOCUMENT\n");
    return 2;
  }
  Kokkos::initialize();
  int result = 0;
  try {
    print_outputs(argv[1], argv[2], argv[3]);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    result = 1;
  }
  Kokkos::finalize();
  return result;
}
