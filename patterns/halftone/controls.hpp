// Negative controls of an evaluation: scores that no longer say which block they belong to.
#pragma once

#include "halftone/core/kokkos_compat.hpp"
#include "halftone/core/philox.hpp"
#include "halftone/patterns/halftone/near_field.hpp"

namespace halftone::patterns::detail {

/// The competing blocks of every row (visible and not forced) exchange their scores, [batch, heads_q, tiles, blocks],
/// in a random order of `random` and the row.
void permute_scores(const Array<float>& scores, const NearField& near, Philox random);

/// A number uniform in (0, 1) in place of every score.
void randomise_scores(const Array<float>& scores, Philox random);

}  // namespace halftone::patterns::detail
