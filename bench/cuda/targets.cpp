#include "targets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <regex>

namespace halftone::bench {

std::string SparseTarget::name() const {
  const std::string mask = kind == given ? source->name : kind == even ? "even" : "uneven";
  return landmarks ? mask + " + landmarks" : mask;
}

std::string Target::name() const {
  return fmt::format("dim{} {} {} heads {}/{}", shape.dim, causal ? "causal" : "full", shape.seq, shape.heads,
                     shape.heads_kv);
}

MaskArrays Target::mask(const SparseTarget& sparse) const {
  if (sparse.kind == SparseTarget::given) return sparse.source->mask;
  MaskGeometry geometry;
  geometry.batch = shape.batch;
  geometry.heads = shape.heads;
  geometry.seq_q = geometry.seq_k = shape.seq;
  geometry.causal = causal;
  if (sparse.source) {
    geometry.batch = sparse.source->mask.sizes.batch;
    geometry.block_q = sparse.source->mask.sizes.block_q;
    geometry.block_k = sparse.source->mask.sizes.block_k;
    return uneven_mask(geometry, sparse.density, 0.0);
  }
  return sparse.kind == SparseTarget::even ? even_mask(geometry, sparse.density)
                                           : uneven_mask(geometry, sparse.density);
}

int Target::even_beside(const SparseTarget& sparse) const {
  if (sparse.kind == SparseTarget::even && !sparse.landmarks) return -1;
  const auto found = std::find_if(masks.begin(), masks.end(), [&](const SparseTarget& other) {
    return other.kind == SparseTarget::even && !other.landmarks && other.density == sparse.density &&
           other.source == sparse.source;
  });
  return found == masks.end() ? -1 : static_cast<int>(found - masks.begin());
}

std::vector<Target> targets_of(const Options& options, const std::vector<NamedMask>& given) {
  std::vector<Target> targets;
  const std::regex wanted(options.filter);
  const auto add = [&](const Shape& shape, bool causal, const std::vector<SparseTarget>& masks) {
    const Target target{shape, causal, masks};
    if (!std::regex_search(target.name(), wanted)) return;
    const auto same = std::find_if(targets.begin(), targets.end(),
                                   [&](const Target& t) { return t.shape == shape && t.causal == causal; });
    if (same == targets.end())
      targets.push_back(target);
    else
      same->masks.insert(same->masks.end(), masks.begin(), masks.end());
  };
  const auto even = [](double density) { return SparseTarget{SparseTarget::even, density}; };
  const auto uneven = [](double density) { return SparseTarget{SparseTarget::uneven, density}; };
  const auto with_landmarks = [](double density) { return SparseTarget{SparseTarget::even, density, true}; };
  for (const int dim : {128, 64}) {
    const auto shape = [&](std::int64_t seq) { return Shape::of_paper(DType::bfloat16, dim, seq); };
    for (const bool causal : {false, true}) {
      add(shape(4096), causal, {even(0.50)});
      add(shape(8192), causal, {even(0.25)});
      add(shape(16384), causal, {even(0.10), uneven(0.10)});
    }
    add(shape(16384), true, {with_landmarks(0.10)});
    add(shape(32768), true, {even(0.10), with_landmarks(0.10)});
    Shape grouped = shape(32768);
    grouped.heads_kv = 4;
    add(grouped, true, {even(0.10)});
    add(shape(65536), true, {even(0.05)});
    for (const NamedMask& mask : given) {
      Shape own = shape(mask.mask.seq());
      own.heads = own.heads_kv = mask.mask.sizes.heads;
      const double density = mask.mask.density();
      const std::vector<SparseTarget> masks{{SparseTarget::given, density, false, &mask},
                                            {SparseTarget::even, density, false, &mask}};
      add(own, mask.mask.causal, masks);
      if (own.heads >= 16) continue;
      own.batch *= 16 / own.heads;  // as many rows as the other targets have
      add(own, mask.mask.causal, masks);
    }
  }
  Shape wide = Shape::of_paper(DType::bfloat16, 256, 16384);
  wide.heads = wide.heads_kv = 8;
  for (const bool causal : {false, true}) add(wide, causal, {even(0.10)});
  return targets;
}

}  // namespace halftone::bench
