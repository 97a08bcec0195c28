// Says on stderr what takes long.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace halftone::app {

/// Shows the current step when it has taken more than a second: on a terminal as one line that is kept up to date and
/// wiped at the end, elsewhere as plain lines, at most one in five seconds. Short steps stay silent.
class Progress {
 public:
  Progress();
  ~Progress();
  Progress(const Progress&) = delete;

  /// Begins a step: "dense attention, layer 4 (2 of 3)".
  void step(std::string what);

 private:
  void watch();

  using Clock = std::chrono::steady_clock;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string what_;
  Clock::time_point begin_ = Clock::now();  ///< of the step
  Clock::time_point last_line_{};
  bool shown_ = false, stop_ = false;
  const bool terminal_;
  std::thread watcher_;
};

}  // namespace halftone::app
