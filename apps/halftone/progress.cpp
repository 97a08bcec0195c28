#include "progress.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

namespace halftone::app {

namespace {
void wipe_line() { fmt::print(stderr, "\r\033[K"); }
}  // namespace

Progress::Progress() : terminal_(isatty(STDERR_FILENO)) {
  sigset_t all, before;  // signals are for the main thread
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  watcher_ = std::thread([this] { watch(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Progress::~Progress() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  watcher_.join();
  if (terminal_ && shown_) wipe_line();
}

void Progress::step(std::string what) {
  const std::lock_guard lock(mutex_);
  if (terminal_ && shown_) wipe_line();
  what_ = std::move(what);
  begin_ = Clock::now();
  shown_ = false;
}

void Progress::watch() {
  using namespace std::chrono_literals;
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, 200ms, [this] { return stop_; })) {
    const auto now = Clock::now();
    const auto elapsed = now - begin_;
    if (what_.empty() || elapsed < 1s) continue;
    if (!terminal_ && (shown_ || now - last_line_ < 5s)) continue;
    if (terminal_)
      fmt::print(stderr, "\r\033[K{} ... {} s", what_,
                 std::chrono::duration_cast<std::chrono::seconds>(elapsed).count());
    else
      fmt::print(stderr, "{} ...\n", what_);
    std::fflush(stderr);
    shown_ = true;
    last_line_ = now;
  }
}

}  // namespace halftone::app
