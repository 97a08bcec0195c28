#include "halftone/core/error.hpp"

#include <gtest/gtest.h>

namespace halftone {
namespace {

TEST(Error, InvalidArgumentNamesArgumentGotAndExpected) {
  EXPECT_STREQ(InvalidArgument("density", "2", "a number in (0, 1]").what(),
               "density: got 2, expected a number in (0, 1]");
}

TEST(Error, FileErrorNamesThePath) { EXPECT_STREQ(FileError("a/b.h5", "no such file").what(), "a/b.h5: no such file"); }

TEST(Error, AllAreErrors) {
  EXPECT_THROW(throw InvalidArgument("a", "b", "c"), Error);
  EXPECT_THROW(throw FileError("a", "b"), Error);
  EXPECT_THROW(throw Unsupported("a"), Error);
  EXPECT_THROW(throw Error("a"), std::runtime_error);
}

}  // namespace
}  // namespace halftone
