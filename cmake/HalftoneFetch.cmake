# Kokkos and Kokkos Kernels where no installed package is found: the pinned upstream releases, checked by hash and
# built as part of this project with its host back ends.
# For a CUDA back end install Kokkos yourself: its compiler has to be chosen before this project is configured.
include(FetchContent)

set(HALFTONE_KOKKOS_VERSION 4.6.01)
set(_halftone_kokkos_url https://github.com/kokkos)

find_package(OpenMP QUIET COMPONENTS CXX)
set(Kokkos_ENABLE_OPENMP ${OpenMP_CXX_FOUND} CACHE BOOL "OpenMP back end of a Kokkos built with this project")
set(KokkosKernels_ENABLE_ALL_COMPONENTS OFF CACHE BOOL "All components of a Kokkos Kernels built with this project")
set(KokkosKernels_ENABLE_COMPONENT_BLAS ON CACHE BOOL "BLAS of a Kokkos Kernels built with this project")
set(KokkosKernels_ENABLE_COMPONENT_SPARSE ON CACHE BOOL "Sparse of a Kokkos Kernels built with this project")
set(KokkosKernels_ADD_DEFAULT_ETI OFF CACHE BOOL "Compile every type combination of Kokkos Kernels ahead of use")

FetchContent_Declare(Kokkos
  URL ${_halftone_kokkos_url}/kokkos/releases/download/${HALFTONE_KOKKOS_VERSION}/kokkos-${HALFTONE_KOKKOS_VERSION}.tar.gz
  URL_HASH SHA256=b9d70e4653b87a06dbb48d63291bf248058c7c7db4bd91979676ad5609bb1a3a
  DOWNLOAD_EXTRACT_TIMESTAMP OFF
  FIND_PACKAGE_ARGS)
FetchContent_Declare(KokkosKernels
  URL ${_halftone_kokkos_url}/kokkos-kernels/releases/download/${HALFTONE_KOKKOS_VERSION}/kokkos-kernels-${HALFTONE_KOKKOS_VERSION}.tar.gz
  URL_HASH SHA256=95b9357f37ab3b9c3913c00741acb2501831c28ea8664de67818ae79c69c5908
  DOWNLOAD_EXTRACT_TIMESTAMP OFF
  FIND_PACKAGE_ARGS)
FetchContent_MakeAvailable(Kokkos KokkosKernels)
