include(GNUInstallDirs)

# halftone_library(name SOURCES ... DEPENDS ... PRIVATE_DEPENDS ...): a library of this project, installed and exported,
# also as Halftone::name. Headers are included as "halftone/FOLDER/...": links in the build tree, copies in an install.
function(halftone_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS")
  add_library(halftone_${name} ${arg_SOURCES})
  add_library(Halftone::${name} ALIAS halftone_${name})
  set_target_properties(halftone_${name} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(halftone_${name} PUBLIC cxx_std_20)
  target_include_directories(halftone_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(halftone_${name} PUBLIC ${arg_DEPENDS} PRIVATE ${arg_PRIVATE_DEPENDS})
  halftone_compile_options(halftone_${name})
  install(TARGETS halftone_${name} EXPORT HalftoneTargets)
endfunction()

function(halftone_compile_options target)
  # -std=c++20 (no extensions) would otherwise switch off fused multiply-add, half of a processor's speed.
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -ffp-contract=fast>)
  if(HALFTONE_ENABLE_NATIVE)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-march=native>)
  endif()
endfunction()

set(HALFTONE_HEADER_FOLDERS core patterns kernels cuda_specialized eval)
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/include/halftone)
foreach(folder IN LISTS HALFTONE_HEADER_FOLDERS ITEMS capi)
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${folder} ${PROJECT_BINARY_DIR}/include/halftone/${folder} SYMBOLIC)
endforeach()
