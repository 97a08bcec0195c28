# The CUDA toolkit for cuda_specialized/. Plain .cu sources: no part of it needs a Kokkos with CUDA.
set(_halftone_known_cuda_paths wmma sm90)
set(HALFTONE_CUDA_PATHS "${_halftone_known_cuda_paths}" CACHE STRING
  "Specialisations of the CUDA hot path to build: wmma (sm_80 and up), sm90 (Hopper)")
foreach(path IN LISTS HALFTONE_CUDA_PATHS)
  if(NOT path IN_LIST _halftone_known_cuda_paths)
    message(FATAL_ERROR "HALFTONE_CUDA_PATHS: got '${path}', expected any of: ${_halftone_known_cuda_paths}")
  endif()
endforeach()

# Before the language is enabled, which would otherwise settle on the compiler's oldest architecture. 90a, not 90:
# wgmma and its kin exist only in the architecture-specific target.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 90a CACHE STRING "CUDA architectures of the hot path")
endif()
enable_language(CUDA)
if(NOT DEFINED CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25.1 knows nvcc only up to C++17
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
endif()
set(CMAKE_CUDA_STANDARD 20)
find_package(CUDAToolkit REQUIRED)
