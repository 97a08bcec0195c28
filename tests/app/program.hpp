// Runs the built command as a user would, and looks at what it says and leaves behind.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "halftone/core/io/activations.hpp"
#include "io/temporary_folder.hpp"

namespace halftone::testing {

struct Outcome {
  int status = 0;  ///< exit code, or 128 + the signal that ended it
  std::string out, err;
};

/// Runs `halftone` with these arguments in `folder`; no file may grow beyond `file_size` bytes. `meanwhile` is called
/// with the program's process id once it runs.
Outcome run_halftone(const std::vector<std::string>& arguments, const std::string& folder = ".",
                     rlim_t file_size = RLIM_INFINITY, const std::function<void(pid_t)>& meanwhile = nullptr);

/// A temporary folder with a small activations file, qkv.h5: layers 1 and 3, 4 query heads, 2 key-value heads of 32,
/// 300 tokens, float32, causal, head weights.
class CommandTest : public FileTest {
 protected:
  CommandTest();

  static io::ActivationsFile activations(std::int64_t seq = 300);

  Outcome run(const std::vector<std::string>& arguments, rlim_t file_size = RLIM_INFINITY) const {
    return run_halftone(arguments, folder(), file_size);
  }

  /// Runs and expects success without a word on stderr; returns stdout.
  std::string run_well(const std::vector<std::string>& arguments) const;

  /// Runs and expects a refusal: the exit code, one line on stderr that starts with "halftone: error: " and matches,
  /// and every file in the folder as it was.
  void expect_refused(const std::vector<std::string>& arguments, int status,
                      const ::testing::Matcher<std::string>& message, rlim_t file_size = RLIM_INFINITY) const;

  /// Contents of every file below the folder, by path; folders have "<folder>".
  std::map<std::string, std::string> everything() const;
};

}  // namespace halftone::testing
