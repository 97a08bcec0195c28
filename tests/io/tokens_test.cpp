#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "halftone/core/error.hpp"
#include "halftone/core/io/file.hpp"
#include "halftone/core/io/tokens_file.hpp"
#include "io/temporary_folder.hpp"
#include "support/messages.hpp"

namespace halftone::io {
namespace {

using halftone::testing::message_of;
using halftone::testing::test_provenance;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
namespace t = halftone::testing;

class Tokens : public halftone::testing::FileTest {
 protected:
  std::string write(const std::vector<TokenDocument>& documents, std::int64_t vocab_size = 100) const {
    write_tokens(path("t.h5"), documents, vocab_size, test_provenance());
    return path("t.h5");
  }
  std::string write_refusal(const std::vector<TokenDocument>& documents) const {
    const std::string message = message_of<InvalidArgument>([&] { write(documents); });
    EXPECT_THAT(names(), IsEmpty());
    return message;
  }
};

TEST_F(Tokens, RoundTrip) {
  write({{"books/00", "books", "A title \u00e9", 0, {0, 5, 99}},
         {"books/01", "books", "", 0, {7}},
         {"note", "", "", 0, {1, 2}}});
  const std::vector<TokenDocument> list = list_documents(path("t.h5"));
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0].name, "books/00");
  EXPECT_EQ(list[0].scenario, "books");
  EXPECT_EQ(list[0].title, "A title \u00e9");
  EXPECT_EQ(list[0].length, 3);
  EXPECT_TRUE(list[0].tokens.empty());
  EXPECT_EQ(list[1].name, "books/01");
  EXPECT_EQ(list[2].name, "note");
  EXPECT_THAT(read_document(path("t.h5"), "books/00").tokens, ElementsAre(0, 5, 99));
  EXPECT_THAT(read_document(path("t.h5"), "note").tokens, ElementsAre(1, 2));
  EXPECT_EQ(FileReader(path("t.h5"), "tokens").root().dataset("note").type_name(), "uint16");
}

TEST_F(Tokens, AnswersComeBackAndAreNoDocuments) {
  write({{"recall/00", "books", "", 0, {0, 5, 99, 3}, {1, 3}}, {"note", "", "", 0, {1, 2}}});
  ASSERT_EQ(list_documents(path("t.h5")).size(), 2u);
  EXPECT_TRUE(list_documents(path("t.h5"))[0].answers.empty());
  EXPECT_THAT(read_document(path("t.h5"), "recall/00").answers, ElementsAre(1, 3));
  EXPECT_THAT(read_document(path("t.h5"), "note").answers, IsEmpty());
  EXPECT_EQ(message_of<FileError>([&] { read_document(path("t.h5"), "answers/recall/00"); }),
            path("t.h5") + ": document: got answers/recall/00, expected one of recall/00, note");
  t::replace_dataset(path("t.h5"), "answers/recall/00", H5T_NATIVE_INT64, {2, 1});
  EXPECT_THAT(message_of<FileError>([&] { read_document(path("t.h5"), "recall/00"); }),
              ::testing::HasSubstr("answers/recall/00"));
}

TEST_F(Tokens, AnswersLieInTheDocument) {
  const auto refusal = [&](std::vector<std::int64_t> answers) { return write_refusal({{"a", "", "", 0, {1, 2, 3}, answers}}); };
  EXPECT_EQ(refusal({0}), "document a, answers: got 0 after 0, expected ascending places from 1 to 2");
  EXPECT_EQ(refusal({3}), "document a, answers: got 3 after 0, expected ascending places from 1 to 2");
  EXPECT_EQ(refusal({2, 2}), "document a, answers: got 2 after 2, expected ascending places from 1 to 2");
}

TEST_F(Tokens, LargeVocabulariesNeedFourBytes) {
  write({{"a", "", "", 0, {65536}}}, 0);
  EXPECT_EQ(FileReader(path("t.h5"), "tokens").root().dataset("a").type_name(), "uint32");
  EXPECT_THAT(read_document(path("t.h5"), "a").tokens, ElementsAre(65536));
}

TEST_F(Tokens, WritingRefusesBadDocuments) {
  EXPECT_EQ(write_refusal({}), "documents: got none, expected at least one");
  EXPECT_EQ(write_refusal({{"a", "", "", 0, {}}}), "document a: got no tokens, expected at least one");
  EXPECT_EQ(write_refusal({{"a", "", "", 0, {1, 100}}}), "document a, token 1: got 100, expected 0 to 99");
  EXPECT_EQ(write_refusal({{"a", "", "", 0, {-1}}}), "document a, token 0: got -1, expected 0 to 99");
}

TEST_F(Tokens, ReadingNamesWhatIsWrong) {
  write({{"books/00", "books", "", 0, {0, 5, 99}}, {"b", "", "", 0, {7}}});
  const std::string file = path("t.h5");
  const auto refusal = [&](const std::string& name) {
    return message_of<FileError>([&] { read_document(file, name); });
  };
  EXPECT_EQ(refusal("books/01"), file + ": document: got books/01, expected one of books/00, b");
  EXPECT_EQ(refusal("books"), file + ": document: got books, expected one of books/00, b");
  t::overwrite(file, "books/00", {0, 5, 100});
  EXPECT_EQ(refusal("books/00"), file + ": document books/00, token 2: got 100, expected 0 to 99");
  t::replace_dataset(file, "b", H5T_NATIVE_UINT16, {0});
  EXPECT_EQ(refusal("b"), file + ": document b: got no tokens, expected at least one");
  t::replace_dataset(file, "b", H5T_NATIVE_UINT16, {2, 3});
  EXPECT_EQ(refusal("b"), file + ": dataset /b: shape: got [2, 3], expected [*]");
  t::replace_dataset(file, "b", H5T_NATIVE_INT32, {2});
  EXPECT_EQ(refusal("b"), file + ": dataset /b: element type: got int32, expected uint16 or uint32");
  EXPECT_EQ(message_of<FileError>([&] { list_documents(file); }),
            file + ": dataset /b: element type: got int32, expected uint16 or uint32");
}

TEST_F(Tokens, HugeIdsDoNotWrap) {
  write({{"a", "", "", 0, {65536}}}, 0);
  t::overwrite(path("t.h5"), "a", {0xffffffff});
  EXPECT_EQ(message_of<FileError>([&] { read_document(path("t.h5"), "a"); }),
            path("t.h5") + ": document a, token 0: got 4294967295, expected 0 to 2147483647");
}

}  // namespace
}  // namespace halftone::io
