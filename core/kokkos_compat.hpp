// The one place that knows Kokkos versions (3.4 to 5.x).
#pragma once

#include <Kokkos_Core.hpp>

#include <type_traits>

namespace halftone {

using ExecSpace = Kokkos::DefaultExecutionSpace;
using MemSpace = ExecSpace::memory_space;
using HostSpace = Kokkos::HostSpace;

/// A contiguous device array, and its host twin.
template <class T>
using Array = Kokkos::View<T*, MemSpace>;
template <class T>
using HostArray = Kokkos::View<T*, HostSpace>;

/// Whether an execution space is a CPU one: its teams are single threads with wide vectors.
template <class Space>
inline constexpr bool is_host_space = std::is_same_v<typename Space::memory_space, HostSpace>;

/// Allocation without initialisation, with a label.
inline auto uninitialized(const std::string& label) {
  return Kokkos::view_alloc(label, Kokkos::WithoutInitializing);
}

}  // namespace halftone
