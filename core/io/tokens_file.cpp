#include "halftone/core/io/tokens_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "halftone/core/io/file.hpp"

namespace halftone::io {
namespace {

constexpr const char* kAnswers = "answers";

/// Calls visit(name) for every document below `group`, names relative to the root.
template <class Visit>
void for_each_dataset(const Group& group, const std::string& prefix, const Visit& visit) {
  for (const std::string& name : group.names()) {
    if (prefix.empty() && name == kAnswers) continue;
    if (group.is_group(name))
      for_each_dataset(group.group(name), prefix + name + "/", visit);
    else
      visit(prefix + name);
  }
}

TokenDocument describe(const Dataset& data, const std::string& name) {
  data.require_shape({-1});
  data.require_type({NumberType::uint16, NumberType::uint32});
  const auto text = [&](const char* attribute) {
    return data.has_attribute(attribute) ? data.string_attribute(attribute) : std::string{};
  };
  return {name, text("scenario"), text("title"), data.size()};
}

template <class T>
void check(const std::string& name, const std::vector<T>& ids, std::int64_t vocab_size) {
  if (ids.empty()) throw InvalidArgument("document " + name, "no tokens", "at least one");
  constexpr std::int64_t bits_31 = std::int64_t{1} << 31;
  const std::int64_t bound = vocab_size > 0 ? std::min(vocab_size, bits_31) : bits_31;
  const auto outside = std::find_if(ids.begin(), ids.end(), [&](std::int64_t id) { return id < 0 || id >= bound; });
  if (outside != ids.end())
    throw InvalidArgument(fmt::format("document {}, token {}", name, outside - ids.begin()), std::to_string(*outside),
                          fmt::format("0 to {}", bound - 1));
}

void check_answers(const TokenDocument& document) {
  const auto length = static_cast<std::int64_t>(document.tokens.size());
  std::int64_t last = 0;
  for (const std::int64_t place : document.answers) {
    if (place <= last || place >= length)
      throw InvalidArgument(fmt::format("document {}, answers", document.name), fmt::format("{} after {}", place, last),
                            fmt::format("ascending places from 1 to {}", length - 1));
    last = place;
  }
}

/// The group that holds the document, made where it is missing.
Group parent_group(const Group& root, const std::string& name) {
  Group group = root;
  std::size_t begin = 0;
  for (std::size_t slash; (slash = name.find('/', begin)) != std::string::npos; begin = slash + 1) {
    const std::string part = name.substr(begin, slash - begin);
    group = group.has(part) ? group.group(part) : group.create_group(part);
  }
  return group;
}

template <class T>
void write_document(const Group& group, const std::string& name, const TokenDocument& document) {
  const std::vector<T> ids(document.tokens.begin(), document.tokens.end());
  const Dataset data = group.write<T>(name, ids, {static_cast<std::int64_t>(ids.size())}, {"1", "token ids"});
  data.set_string("scenario", document.scenario);
  data.set_string("title", document.title);
}

}  // namespace

void write_tokens(const std::string& path, const std::vector<TokenDocument>& documents, std::int64_t vocab_size,
                  const Provenance& provenance) {
  if (documents.empty()) throw InvalidArgument("documents", "none", "at least one");
  std::int32_t largest = 0;
  for (const TokenDocument& document : documents) {
    check(document.name, document.tokens, vocab_size);
    check_answers(document);
    largest = std::max(largest, *std::max_element(document.tokens.begin(), document.tokens.end()));
  }
  FileWriter writer(path, "tokens", provenance);
  if (vocab_size > 0) writer.root().set_integer("vocab_size", vocab_size);
  for (const TokenDocument& document : documents) {
    const Group group = parent_group(writer.root(), document.name);
    const std::string name = document.name.substr(document.name.rfind('/') + 1);
    if (largest <= std::numeric_limits<std::uint16_t>::max())
      write_document<std::uint16_t>(group, name, document);
    else
      write_document<std::uint32_t>(group, name, document);
    if (document.answers.empty()) continue;
    const std::string path_of_answers = fmt::format("{}/{}", kAnswers, document.name);
    parent_group(writer.root(), path_of_answers)
        .write<std::int64_t>(name, document.answers, {static_cast<std::int64_t>(document.answers.size())},
                             {"1", "places of the tokens that a model is asked for"});
  }
  writer.commit();
}

std::vector<TokenDocument> list_documents(const std::string& path) {
  const Group root = FileReader(path, "tokens").root();
  std::vector<TokenDocument> documents;
  for_each_dataset(root, "", [&](const std::string& name) { documents.push_back(describe(root.dataset(name), name)); });
  return documents;
}

TokenDocument read_document(const std::string& path, const std::string& name) {
  const Group root = FileReader(path, "tokens").root();
  std::vector<std::string> names;
  for_each_dataset(root, "", [&](const std::string& one) { names.push_back(one); });
  if (std::find(names.begin(), names.end(), name) == names.end())
    root.fail(fmt::format("document: got {}, expected one of {}", name, fmt::join(names, ", ")));
  const Dataset data = root.dataset(name);
  TokenDocument document = describe(data, name);
  const std::vector<std::int64_t> ids = data.read_integers();
  document.tokens.assign(ids.begin(), ids.end());
  const std::string answers = fmt::format("{}/{}", kAnswers, name);
  if (root.has(answers)) document.answers = root.dataset(answers).require_shape({-1}).read_integers();
  try {
    check_answers(document);
    check(name, ids, root.has_attribute("vocab_size") ? root.integer_attribute("vocab_size") : 0);
  } catch (const InvalidArgument& problem) {
    root.fail(problem.what());
  }
  return document;
}

}  // namespace halftone::io
