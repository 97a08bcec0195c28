// How a test program ends.
#pragma once

#include <gtest/gtest.h>

namespace halftone::testing {

/// Runs all tests. 77, which CTest counts as skipped, where some were skipped and the others passed; CTest would take a
/// program that prints of skipped tests for skipped even where others failed.
inline int run_tests() {
  const int result = RUN_ALL_TESTS();
  return result == 0 && ::testing::UnitTest::GetInstance()->skipped_test_count() > 0 ? 77 : result;
}

}  // namespace halftone::testing
