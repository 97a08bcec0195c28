# Finds Kokkos and Kokkos Kernels and evens out what Debian's Trilinos packages (3.4) lack: their Kokkos::kokkos names
# an include folder that does not exist, and Kokkos Kernels has variables in place of a target.
# Installed with the package, so that projects using Halftone find the same targets.
find_package(Kokkos REQUIRED)
find_package(KokkosKernels REQUIRED)

get_target_property(_halftone_kokkos_includes Kokkos::kokkos INTERFACE_INCLUDE_DIRECTORIES)
if(KokkosKernels_INCLUDE_DIRS AND _halftone_kokkos_includes AND NOT EXISTS "${_halftone_kokkos_includes}")
  get_filename_component(_halftone_kokkos_includes "${KokkosKernels_INCLUDE_DIRS}" REALPATH)
  set_target_properties(Kokkos::kokkos PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${_halftone_kokkos_includes}")
endif()
if(NOT TARGET Kokkos::kokkoskernels)
  add_library(Kokkos::kokkoskernels INTERFACE IMPORTED)
  target_link_libraries(Kokkos::kokkoskernels INTERFACE ${KokkosKernels_LIBRARIES} Kokkos::kokkos)
endif()
unset(_halftone_kokkos_includes)
