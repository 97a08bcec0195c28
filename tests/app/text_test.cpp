// Tables and numbers for people.
#include <gtest/gtest.h>

#include "table.hpp"

namespace halftone::app {
namespace {

TEST(Text, Numbers) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(-1234567), "-1,234,567");
  EXPECT_EQ(percent(0.0123), "1.23 %");
  EXPECT_EQ(percent(0.1), "10.0 %");
  EXPECT_EQ(percent(1.0), "100.0 %");
  EXPECT_EQ(duration(0.00123), "1.2 ms");
  EXPECT_EQ(duration(0.5), "500 ms");
  EXPECT_EQ(duration(12.345), "12.35 s");
  EXPECT_EQ(duration(240.0), "240 s");
}

TEST(Text, TablesAlign) {
  const TextTable table{{"name", "x"}, {{"a", "10.5"}, {"longer", "2"}}};
  EXPECT_EQ(table.to_string(),
            "name       x\n"
            "------------\n"
            "a       10.5\n"
            "longer     2\n");
}

TEST(Text, Wrapping) {
  EXPECT_EQ(wrap("one two three", 7), "one two\nthree");
  EXPECT_EQ(wrap("short", 10), "short");
  EXPECT_EQ(wrap("unbreakable word", 4), "unbreakable\nword");
  EXPECT_EQ(wrap("", 4), "");
}

}  // namespace
}  // namespace halftone::app
