// Keeps Ctrl-C from leaving temporary files behind.
#pragma once

#include <csignal>

namespace halftone::app {

/// While one lives, interrupts (SIGINT, SIGTERM) wait; the end of its scope delivers them. For the short moments in
/// which files are written, so that a file is there as a whole or not at all, without traces.
class DeferSignals {
 public:
  DeferSignals();
  ~DeferSignals();
  DeferSignals(const DeferSignals&) = delete;

 private:
  struct sigaction before_int_ {
  }, before_term_{};
};

}  // namespace halftone::app
