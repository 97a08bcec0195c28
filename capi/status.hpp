// Exceptions as status codes, and what a thread can ask about its last calls.
#pragma once

#include <string_view>

#include "halftone/capi/halftone.h"

namespace halftone::capi {

/// To be called while an exception is handled: its status, and its message as the thread's last.
halftone_status report_exception() noexcept;

/// The kernel that served the thread's last call; a name from a kernel table, which lives as long as the library.
void remember_kernel(std::string_view name) noexcept;

/// Runs `action`; what it throws becomes a status and the thread's last message.
template <class Action>
halftone_status guarded(Action&& action) noexcept {
  try {
    action();
    return HALFTONE_OK;
  } catch (...) {
    return report_exception();
  }
}

}  // namespace halftone::capi
