# halftone_library(name SOURCES ... DEPENDS ...): a library of this project, also as Halftone::name.
# Headers are included as <halftone/FOLDER/...>: links in the build tree, copies in an install.
function(halftone_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS")
  add_library(halftone_${name} ${arg_SOURCES})
  add_library(Halftone::${name} ALIAS halftone_${name})
  set_target_properties(halftone_${name} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(halftone_${name} PUBLIC cxx_std_20)
  target_include_directories(halftone_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include> $<INSTALL_INTERFACE:include>)
  target_link_libraries(halftone_${name} PUBLIC ${arg_DEPENDS} PRIVATE ${arg_PRIVATE_DEPENDS})
  halftone_compile_options(halftone_${name})
endfunction()

function(halftone_compile_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra)
  if(HALFTONE_ENABLE_NATIVE)
    target_compile_options(${target} PRIVATE -march=native)
  endif()
endfunction()

file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/include/halftone)
foreach(folder core patterns kernels eval)
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${folder} ${PROJECT_BINARY_DIR}/include/halftone/${folder} SYMBOLIC)
endforeach()
