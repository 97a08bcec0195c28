// Files of kind "tokens": documents as token ids.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "halftone/core/io/provenance.hpp"

namespace halftone::io {

/// One 1-D uint16 or uint32 dataset, anywhere in the file but below /answers.
struct TokenDocument {
  std::string name;                  ///< path in the file without the leading slash: "books/00"
  std::string scenario, title;       ///< attributes, or empty
  std::int64_t length = 0;           ///< in tokens
  std::vector<std::int32_t> tokens = {};  ///< left empty by list_documents
  /// Places of tokens that a model is asked for, ascending: the dataset `/answers/<name>`. Empty where nothing is asked;
  /// left empty by list_documents.
  std::vector<std::int64_t> answers = {};
};

/// Token ids are written as uint16 where all fit, else uint32. `vocab_size` 0: unknown.
/// Throws FileError (FileWriter's reasons); InvalidArgument: no document, an empty one, ids outside [0, vocab_size), answers
/// that do not ascend or lie outside [1, length).
void write_tokens(const std::string& path, const std::vector<TokenDocument>& documents, std::int64_t vocab_size,
                  const Provenance& provenance);

/// Every document, without its tokens.
std::vector<TokenDocument> list_documents(const std::string& path);

/// One document. Throws FileError when there is none of that name (the message lists those there are), when it is
/// empty, of another type or shape, has an id outside the file's vocabulary, or answers as above.
TokenDocument read_document(const std::string& path, const std::string& name);

}  // namespace halftone::io
