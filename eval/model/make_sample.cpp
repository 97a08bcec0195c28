// Makes the sample that `halftone demo` runs on; called by scripts/make_sample.
// usage: halftone_make_sample MODEL TOKENS OUTPUT
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <filesystem>

#include "halftone/core/error.hpp"
#include "halftone/core/io/tokens_file.hpp"
#include "halftone/eval/model/activations.hpp"

namespace {

using namespace halftone;

// As long as the file's limit allows.
constexpr std::size_t kTokens = 7168, kCalibrationTokens = 16384;
constexpr std::uintmax_t kMaxBytes = 16'000'000;
constexpr const char* kDocument = "books/00";     // Northanger Abbey
constexpr const char* kCalibration = "books/05";  // Victory: An Island Tale; never evaluated
// An early layer of broad heads, a middle one of sharp local heads, a late one that reaches far.
const eval::ActivationSelection kSelection{.layers = {1, 4, 6}, .kv_group = 0, .dtype = DType::bfloat16};

constexpr const char* kSource =
    "Northanger Abbey by Jane Austen (written 1803, published 1817), Project Gutenberg text from "
    "rcdm-uga/Gutenberg_Text, header and footer removed, its first {} tokens (corpus document A-heldout-0001, books/00 "
    "of heldout_tokens.h5). Queries, keys and values of one key-value group (query heads 0 and 1, key-value head 0) in "
    "layers 1, 4 and 6 of 8 of halftone_lm.h5, a 27.8M-parameter Llama-style model trained on books by other authors, "
    "technical documents and records. Head weights measured on the first {} tokens of Victory by Joseph Conrad "
    "(books/05).";
constexpr const char* kLicence =
    "The book is in the public domain (Project Gutenberg text, header and footer removed); the numbers computed from "
    "it come under the licence of this repository.";

std::vector<std::int32_t> first_tokens(const std::string& file, const char* document, std::size_t count) {
  auto tokens = io::read_document(file, document).tokens;
  if (tokens.size() < count) {
    throw InvalidArgument(document, fmt::format("{} tokens", tokens.size()), fmt::format("at least {}", count));
  }
  tokens.resize(count);
  return tokens;
}

void make_sample(const std::string& model_file, const std::string& token_file, const std::string& output) {
  const eval::LlamaModel model(io::read_model(model_file));
  const auto say = [](const char* what) {
    return [what](int layer) { fmt::print(stderr, "{}: layer {}\n", what, layer); };
  };
  const auto weights = eval::measure_head_weights(model, first_tokens(token_file, kCalibration, kCalibrationTokens),
                                                  say("measuring head weights"));
  io::ActivationsFile sample = eval::store_activations(model, first_tokens(token_file, kDocument, kTokens), kSelection,
                                                       weights, say("running the model"));
  sample.source = fmt::format(kSource, kTokens, kCalibrationTokens);
  sample.licence = kLicence;
  io::write_activations(output, sample, io::make_provenance("scripts/make_sample"));
  const auto bytes = std::filesystem::file_size(output);
  fmt::print("{}: {} bytes\n", output, bytes);
  if (bytes > kMaxBytes) throw FileError(output, fmt::format("{} bytes, allowed are {}", bytes, kMaxBytes));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "usage: halftone_make_sample MODEL TOKENS OUTPUT\n");
    return 2;
  }
  Kokkos::initialize();
  int result = 0;
  try {
    make_sample(argv[1], argv[2], argv[3]);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    result = 1;
  }
  Kokkos::finalize();
  return result;
}
