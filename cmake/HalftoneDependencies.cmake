# Third-party packages. What the installed libraries need is repeated in HalftoneConfig.cmake.in.
if(HALFTONE_FETCH_DEPENDENCIES)
  include(HalftoneFetch)
endif()
find_package(Kokkos 3.4 REQUIRED)
find_package(KokkosKernels REQUIRED)
include(HalftoneKokkos)

find_package(HDF5 REQUIRED COMPONENTS C HL)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(PNG REQUIRED)
