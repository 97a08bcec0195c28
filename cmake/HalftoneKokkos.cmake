# Evens out how releases of Kokkos (3.4 to 5.x) and Kokkos Kernels present themselves, once both have been found.
# Debian's Trilinos packages (3.4): Kokkos::kokkos names an include folder that does not exist, and Kokkos Kernels has
# variables in place of a target. Kokkos Kernels 5 built as part of a project: another namespace.
# Installed with the package, so that projects using Halftone get the same targets.
get_target_property(_halftone_kokkos_includes Kokkos::kokkos INTERFACE_INCLUDE_DIRECTORIES)
if(KokkosKernels_INCLUDE_DIRS AND _halftone_kokkos_includes AND NOT EXISTS "${_halftone_kokkos_includes}")
  get_filename_component(_halftone_kokkos_includes "${KokkosKernels_INCLUDE_DIRS}" REALPATH)
  set_target_properties(Kokkos::kokkos PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${_halftone_kokkos_includes}")
endif()
unset(_halftone_kokkos_includes)

if(NOT TARGET Kokkos::kokkoskernels)
  add_library(Kokkos::kokkoskernels INTERFACE IMPORTED)
  if(TARGET KokkosKernels::kokkoskernels)
    target_link_libraries(Kokkos::kokkoskernels INTERFACE KokkosKernels::kokkoskernels)
  else()
    target_link_libraries(Kokkos::kokkoskernels INTERFACE ${KokkosKernels_LIBRARIES} Kokkos::kokkos)
  endif()
endif()
