# What `cmake --install` puts in a prefix besides the libraries, which halftone_library installs: public headers, the
# command, and the package configuration for find_package(Halftone).
include(CMakePackageConfigHelpers)

foreach(folder IN LISTS HALFTONE_HEADER_FOLDERS)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${folder}/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/halftone/${folder}
    FILES_MATCHING PATTERN "*.hpp")
endforeach()
if(TARGET halftone)
  install(TARGETS halftone)
endif()

set(_halftone_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Halftone)
install(EXPORT HalftoneTargets NAMESPACE Halftone:: DESTINATION ${_halftone_package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/HalftoneConfig.cmake.in
  ${PROJECT_BINARY_DIR}/HalftoneConfig.cmake INSTALL_DESTINATION ${_halftone_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/HalftoneConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/HalftoneConfig.cmake ${PROJECT_BINARY_DIR}/HalftoneConfigVersion.cmake
  ${PROJECT_SOURCE_DIR}/cmake/HalftoneKokkos.cmake DESTINATION ${_halftone_package_dir})
