// What an exception says.
#pragma once

#include <gtest/gtest.h>

#include <string>

namespace halftone::testing {

/// The message of the E that `action` throws; a test failure and "" when it throws none.
template <class E, class Action>
std::string message_of(const Action& action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

}  // namespace halftone::testing
