# Third-party packages. What the installed libraries need is repeated in HalftoneConfig.cmake.in.
if(HALFTONE_FETCH_DEPENDENCIES)
  include(HalftoneFetch)
endif()
if(NOT TARGET Kokkos::kokkos)  # else fetched, or part of the project around this one
  find_package(Kokkos 3.4 REQUIRED)
endif()
if(NOT TARGET Kokkos::kokkoskernels AND NOT TARGET KokkosKernels::kokkoskernels)
  find_package(KokkosKernels REQUIRED)
endif()
include(HalftoneKokkos)

# One CUDA runtime in a program: Kokkos' where it has one, else a static one, which asks for no more than a driver.
if(HALFTONE_ENABLE_CUDA)
  set(HALFTONE_CUDART CUDA::cudart_static)
  if(Kokkos_ENABLE_CUDA)
    set(HALFTONE_CUDART CUDA::cudart)
  endif()
endif()

find_package(HDF5 REQUIRED COMPONENTS C HL)
find_package(fmt REQUIRED)
if(Kokkos_ENABLE_CUDA)  # fmt 9 denies nvcc, which compiles everything then, the constexpr that its own consteval needs
  target_compile_definitions(fmt::fmt INTERFACE FMT_USE_CONSTEXPR=1)
endif()
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(PNG REQUIRED)
