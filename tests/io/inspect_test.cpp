#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "halftone/core/error.hpp"
#include "halftone/core/io/file.hpp"
#include "halftone/core/io/tokens_file.hpp"
#include "io/temporary_folder.hpp"
#include "support/messages.hpp"

namespace halftone::io {
namespace {

using halftone::testing::message_of;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Inspect : public halftone::testing::FileTest {};

TEST_F(Inspect, ShowsATreeOfAHalftoneFile) {
  write_tokens(path("t.h5"), {{"books/00", "books", "two\nlines", 0, {1, 2, 3}}}, 10,
               make_provenance("halftone test", ~0ull));
  const std::string text = inspect(path("t.h5"));
  EXPECT_THAT(text, StartsWith(path("t.h5") + ": halftone file of kind tokens\n"));
  EXPECT_THAT(text, HasSubstr("\n  @format_version = \"1.0\"\n"));
  EXPECT_THAT(text, HasSubstr("\n  @seed = 18446744073709551615\n"));
  EXPECT_THAT(text, HasSubstr("\n  @vocab_size = 10\n"));
  EXPECT_THAT(text, HasSubstr("\n  books/\n"
                              "    00: uint16 [3]\n"
                              "      @description = \"token ids\"\n"
                              "      @scenario = \"books\"\n"
                              "      @title = \"two\\nlines\"\n"
                              "      @units = \"1\"\n"));
}

TEST_F(Inspect, ShowsAnyHdf5File) {
  const hid_t file = H5Fcreate(path("x.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hid_t pair = H5Tcreate(H5T_COMPOUND, 12);
  H5Tinsert(pair, "number", 0, H5T_NATIVE_DOUBLE);
  H5Tinsert(pair, "index", 8, H5T_NATIVE_INT);
  H5Tcommit2(file, "pair", pair, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  const hid_t group = H5Gcreate2(file, "group", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  const hsize_t length = 3, many = 20;
  const hid_t space = H5Screate_simple(1, &length, nullptr), long_space = H5Screate_simple(1, &many, nullptr);
  H5Dclose(H5Dcreate2(group, "pairs", pair, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  H5Dclose(H5Dcreate2(group, "bytes", H5T_NATIVE_SCHAR, long_space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  const hid_t numbers = H5Acreate2(group, "numbers", H5T_NATIVE_INT, space, H5P_DEFAULT, H5P_DEFAULT);
  const int values[3] = {1, -2, 3};
  H5Awrite(numbers, H5T_NATIVE_INT, values);
  const hid_t lengthy = H5Acreate2(group, "lengthy", H5T_NATIVE_DOUBLE, long_space, H5P_DEFAULT, H5P_DEFAULT);
  H5Lcreate_soft("/nowhere", file, "dangling", H5P_DEFAULT, H5P_DEFAULT);
  H5Lcreate_hard(file, "group", group, "itself", H5P_DEFAULT, H5P_DEFAULT);
  for (const hid_t attribute : {numbers, lengthy}) H5Aclose(attribute);
  for (const hid_t one : {space, long_space}) H5Sclose(one);
  H5Tclose(pair);
  H5Gclose(group);
  H5Fclose(file);

  const std::string text = inspect(path("x.h5"));
  EXPECT_THAT(text, StartsWith(path("x.h5") + ": HDF5 file\n"));
  EXPECT_THAT(text, HasSubstr("\n  dangling: a link to nothing\n"));
  EXPECT_THAT(text, HasSubstr("\n  pair: a named type\n"));
  EXPECT_THAT(text, HasSubstr("\n  group/\n"
                              "    @lengthy = float64 [20]\n"
                              "    @numbers = [1, -2, 3]\n"
                              "    bytes: int8 [20]\n"
                              "    itself/\n"));
  EXPECT_THAT(text, HasSubstr("\n    pairs: compound of 12 bytes [3]\n"));
}

TEST_F(Inspect, RefusesWhatIsNotHdf5) {
  EXPECT_EQ(message_of<FileError>([&] { inspect(path("no.h5")); }), path("no.h5") + ": no such file");
}

}  // namespace
}  // namespace halftone::io
