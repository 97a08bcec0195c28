#include <gtest/gtest.h>

#include <Kokkos_Core.hpp>

#include "support/run_tests.hpp"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  Kokkos::initialize(argc, argv);
  const int result = halftone::testing::run_tests();
  Kokkos::finalize();
  return result;
}
