#include "signals.hpp"

#include <signal.h>

namespace halftone::app {

namespace {
volatile std::sig_atomic_t pending = 0;
}

DeferSignals::DeferSignals() {
  pending = 0;
  struct sigaction defer {};
  defer.sa_handler = [](int signal) { pending = signal; };
  defer.sa_flags = SA_RESTART;
  sigaction(SIGINT, &defer, &before_int_);
  sigaction(SIGTERM, &defer, &before_term_);
}

DeferSignals::~DeferSignals() {
  sigaction(SIGINT, &before_int_, nullptr);
  sigaction(SIGTERM, &before_term_, nullptr);
  if (pending) std::raise(pending);
}

}  // namespace halftone::app
