#include "halftone/capi/status.hpp"

#include <exception>
#include <new>
#include <string>

#include "halftone/core/error.hpp"

namespace halftone::capi {
namespace {

thread_local std::string last_message;
thread_local std::string_view last_kernel = "";

halftone_status fail(halftone_status status, const char* message) {
  try {
    last_message = message;
  } catch (...) {
    last_message.clear();
  }
  return status;
}

}  // namespace

halftone_status report_exception() noexcept {
  try {
    throw;
  } catch (const InvalidArgument& error) {
    return fail(HALFTONE_INVALID_ARGUMENT, error.what());
  } catch (const Unsupported& error) {
    return fail(HALFTONE_UNSUPPORTED, error.what());
  } catch (const std::bad_alloc&) {
    return fail(HALFTONE_OUT_OF_MEMORY, "not enough host memory");
  } catch (const std::exception& error) {
    return fail(HALFTONE_FAILED, error.what());
  } catch (...) {
    return fail(HALFTONE_FAILED, "an exception of unknown type");
  }
}

void remember_kernel(std::string_view name) noexcept { last_kernel = name; }

}  // namespace halftone::capi

extern "C" const char* halftone_last_message(void) { return halftone::capi::last_message.c_str(); }
extern "C" const char* halftone_last_kernel(void) { return halftone::capi::last_kernel.data(); }
