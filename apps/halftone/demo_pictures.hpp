// The demo's pictures.
#pragma once

#include <span>
#include <vector>

#include "contestants.hpp"
#include "heatmap.hpp"

namespace halftone::app {

/// Draws true attention beside what patterns keep. Of many layers and heads, the first few are shown.
class DemoPictures {
 public:
  /// Computes where the dense attention is.
  DemoPictures(const Activations& activations, const DenseRun& dense);

  /// The head that reaches farthest, of all layers.
  Canvas farthest_head(const PatternRun& run) const;
  /// Every head of every layer.
  Canvas every_head(const PatternRun& run) const;
  /// Every pattern; a row for each layer's farthest-reaching head.
  Canvas every_pattern(std::span<const PatternRun> runs) const;
  /// Many patterns on the head that reaches farthest, in rows of seven.
  Canvas one_head(std::span<const PatternRun> runs) const;

 private:
  struct Head {
    std::size_t layer;  ///< position in activations_.layers
    int head;
    Panel attention;
    double reach;  ///< share of the attention that goes 1,024 keys back or more

    std::string name(const Activations& activations) const;
  };

  const Head& farthest(std::size_t layer) const;
  const Head& farthest() const;
  Panel attention(const Head& head, const std::string& title) const;
  Panel kept(const Head& head, const PatternRun& run, const std::string& title) const;

  const Activations& activations_;
  std::vector<Head> heads_;
};

}  // namespace halftone::app
