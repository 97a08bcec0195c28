# libhalftone shows the functions of halftone.h and nothing else.
execute_process(COMMAND ${NM} -D --defined-only ${LIBRARY} OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL " [A-Za-z] [^\n]+" symbols "${output}")  # behind each address
set(functions 0)
foreach(symbol IN LISTS symbols)
  if(symbol MATCHES "^ T halftone_[a-z_]+@@HALFTONE_1$")
    math(EXPR functions "${functions} + 1")
  elseif(NOT symbol MATCHES "^ A HALFTONE_1")
    message(FATAL_ERROR "${LIBRARY} shows${symbol}, expected functions halftone_* only")
  endif()
endforeach()
if(functions EQUAL 0)
  message(FATAL_ERROR "${LIBRARY} shows no function")
endif()
