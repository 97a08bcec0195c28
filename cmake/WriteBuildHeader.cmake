# Run at each build (cmake -P): writes OUTPUT with the version that git sees, only when that changed.
# Needs SOURCE_DIR, OUTPUT, PROJECT_VERSION, COMPILER.
set(failed TRUE)
if(EXISTS ${SOURCE_DIR}/.git)  # else any repository around an unpacked archive would answer
  execute_process(
    COMMAND git describe --tags --always --dirty
    WORKING_DIRECTORY ${SOURCE_DIR} OUTPUT_VARIABLE version OUTPUT_STRIP_TRAILING_WHITESPACE
    RESULT_VARIABLE failed ERROR_QUIET)
endif()
if(failed)
  set(version ${PROJECT_VERSION})
elseif(NOT version MATCHES "^v[0-9]")  # no tag yet: the commit alone
  set(version ${PROJECT_VERSION}-g${version})
endif()
set(text "// Written by cmake/WriteBuildHeader.cmake.
#pragma once

namespace halftone::build {
inline constexpr char kVersion[] = \"${version}\", kCompiler[] = \"${COMPILER}\";
}
")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} old)
endif()
if(NOT "${old}" STREQUAL "${text}")
  file(WRITE ${OUTPUT} "${text}")
endif()
