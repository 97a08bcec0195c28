// The generators, one per file; pattern_table() lists them.
#pragma once

#include "halftone/patterns/pattern.hpp"

namespace halftone::patterns {

extern const PatternInfo dense_pattern;
extern const PatternInfo causal_pattern;
extern const PatternInfo local_pattern;
extern const PatternInfo dilated_pattern;
extern const PatternInfo strided_pattern;
extern const PatternInfo fixed_pattern;
extern const PatternInfo hierarchical_pattern;
extern const PatternInfo longformer_pattern;
extern const PatternInfo landmark_pattern;
extern const PatternInfo landmark_adaptive_pattern;
extern const PatternInfo bigbird_pattern;
extern const PatternInfo random_pattern;
extern const PatternInfo mean_topk_pattern;
extern const PatternInfo minmax_pattern;
extern const PatternInfo antidiagonal_pattern;
extern const PatternInfo vertical_slash_pattern;
extern const PatternInfo lsh_pattern;
extern const PatternInfo routing_pattern;
extern const PatternInfo halftone_pattern;
extern const PatternInfo union_pattern;
extern const PatternInfo intersection_pattern;
extern const PatternInfo per_head_pattern;

}  // namespace halftone::patterns
