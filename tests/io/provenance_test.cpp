#include "halftone/core/io/provenance.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace halftone::io {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

TEST(Provenance, IsFilledIn) {
  const Provenance provenance = make_provenance("halftone demo --seed 5", 5);
  EXPECT_EQ(provenance.command, "halftone demo --seed 5");
  EXPECT_EQ(provenance.seed, 5u);
  EXPECT_EQ(provenance.software_version, software_version());
  EXPECT_THAT(provenance.software_version, MatchesRegex("v?[0-9]+\\.[0-9]+.*"));
  EXPECT_THAT(provenance.date, MatchesRegex("20[0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]Z"));
  EXPECT_THAT(provenance.machine, HasSubstr("threads"));
  EXPECT_THAT(provenance.kokkos, MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+, .*"));
  EXPECT_THAT(provenance.compiler, MatchesRegex(".* [0-9].*"));
}

}  // namespace
}  // namespace halftone::io
