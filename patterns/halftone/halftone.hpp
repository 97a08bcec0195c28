// The halftone pattern: exact blocks where the estimated, output-weighted attention mass exceeds one tolerance.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <vector>

#include "halftone/core/block_mask.hpp"
#include "halftone/core/landmarks.hpp"
#include "halftone/core/tensor.hpp"
#include "halftone/patterns/halftone/formula.hpp"

namespace halftone::patterns {

/// The blocks among which one tolerance meets a density.
enum class ToleranceScope : std::uint8_t { call, layer, head, row };

/// Negative controls of an evaluation: what the pattern is without one of its parts.
enum class Control : std::uint8_t {
  none,
  permuted_scores,     ///< the blocks of a row that compete exchange their scores
  shuffled_variances,  ///< the whole micro-blocks of a key-value head exchange their variances
  random_scores        ///< uniform numbers in place of scores
};

/// Settings of the pattern.
struct HalftoneOptions {
  int micro_block = 8;                         ///< keys per micro-block: 1, 4, 8, 16, 32 or 64
  int representatives = 16;                    ///< queries that stand for a query tile: a divisor of block_q
  Aggregation aggregation = Aggregation::rms;  ///< over the representatives
  BlockMass block_mass = BlockMass::largest;   ///< over the micro-blocks
  int sink_blocks = 1;                         ///< leading blocks that are always exact
  int local_blocks = 1;                        ///< blocks before the tile that are always exact, besides the diagonal
  double tolerance = 0.0;                      ///< keep blocks whose score exceeds it; 0: find it from `density`
  double density = 0.0;                        ///< wanted mean density over the call in (0, 1]; 0: use `tolerance`
  bool landmarks = false;                      ///< represent what is left out by block summaries, on gated heads
  int moments = 2;  ///< of a micro-block's keys: 0 its first key, 1 the mean, 2 mean and variance
  ToleranceScope scope = ToleranceScope::call;  ///< of the tolerance that `density` asks for
  Control control = Control::none;
  std::uint64_t seed = 0;  ///< of the controls
  bool shared_lists = false;                   ///< one list per key-value head, for its whole group of query heads
};

/// Options from parameters by name, those of the pattern table's "halftone"; with `density`, that decides the
/// tolerance. Throws InvalidArgument: unknown parameters, values out of range, a tolerance beside a density.
HalftoneOptions halftone_options(const nlohmann::json& parameters, double density = 0.0);

/// One attention layer of the call. All layers of a call share one tolerance (unless options.scope says otherwise).
struct HalftoneLayer {
  const Tensor* q = nullptr;       ///< [batch, heads_q, seq_q, dim]
  const Tensor* k = nullptr;       ///< [batch, heads_kv, seq_k, dim]
  const Tensor* v = nullptr;       ///< needed only for landmarks
  float scale = 0.0f;              ///< 0: 1 / sqrt(dim)
  std::vector<float> head_weight;  ///< [heads_q] output weight w(l, h); empty: 1
  std::vector<bool> gate;          ///< [heads_q] landmarks on; empty: on for all when options.landmarks
};

struct HalftoneSelection {
  BlockMask mask;
  std::optional<Landmarks> landmarks;  ///< with options.landmarks, for layers with at least one gated head
};

struct HalftoneResult {
  std::vector<HalftoneSelection> layers;
  double tolerance = 0.0;  ///< the one that was applied; -1: the density asks for every block; NaN: there were several
  double density = 0.0;    ///< realised, over all layers
};

/// Scores of every (head, tile, block), [batch, heads_q, tiles, blocks], before the head weight: the root mean square
/// (or max, mean) over the tile's representatives of the block softmax of L(q, c), where
///   L(q, c) = max (or logsumexp) over micro-blocks m of c of [ log b + s q.mu_m + kappa(s^2 sum_j q_j^2 d_mj) ],
/// d averaged over groups of dimensions, all factors rounded to bfloat16 (formula.hpp). With options.moments < 2 d is
/// 0, with 0 mu the first key. Zero for blocks that are not visible. With micro_block = 1, representatives = block_q
/// and block_mass = sum these are no estimates: q and k rounded to bfloat16, the true shares of blocks that a tile sees
/// whole (the oracle of evaluations, at the price of attention).
Array<float> halftone_scores(const HalftoneLayer& layer, const MaskGeometry& geometry, const HalftoneOptions& options);

/// The L(q, c) behind these scores, in nats, [batch, heads_q, tiles, representatives, blocks]; NaN for blocks that are
/// not visible and for runs without a query.
Array<float> halftone_log_mass(const HalftoneLayer& layer, const MaskGeometry& geometry,
                               const HalftoneOptions& options);

/// Scores all layers, finds or takes the tolerance, and builds one mask per layer (and landmarks where asked).
/// A visible block is kept when it is forced (sink, diagonal, local) or score * head_weight exceeds the tolerance.
/// With a density, the tolerance is the smallest that keeps no more blocks than asked for: the largest weighted score
/// that is left out. Blocks that tie with it are left out together, so that the realised density lies below the wanted
/// one by less than one block plus those ties (many tie at 0 where exp underflows, 87 below a row's largest log-mass).
/// With a scope smaller than the call, every layer, head or row has a tolerance of its own and keeps the same share of
/// its visible blocks, and its near field: the largest share at which the whole keeps no more than the density.
/// With shared_lists a list's score is the root mean square over its query heads of score * head_weight, and the mask
/// has one list per key-value head, of which sums and densities count each once, as every head attends to one of them;
/// landmarks stay a matter of each query head's gate.
/// Landmarks stand for blocks that lie wholly in the tile's past, so never for a ragged last block.
/// Throws InvalidArgument on options out of range, on a density below what the forced near field needs (the message
/// names that density), on shapes that do not match the geometry, and on scores that are not finite.
HalftoneResult select_halftone(std::span<const HalftoneLayer> layers, const MaskGeometry& geometry,
                               const HalftoneOptions& options);

}  // namespace halftone::patterns
