#include "halftone/kernels/halftone_selection.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "halftone/core/error.hpp"
#include "halftone/cuda_specialized/selection/selection.hpp"
#include "halftone/patterns/halftone/checks.hpp"

namespace halftone {
namespace {

namespace device = cuda::selection;
using patterns::HalftoneLayer;
using patterns::HalftoneOptions;
using patterns::HalftoneResult;

AttentionParams request_of(const HalftoneLayer& layer, const MaskGeometry& g) {
  AttentionParams p;
  p.q = layer.q->data();
  p.k = layer.k->data();
  p.v = layer.v ? layer.v->data() : layer.k->data();  // read only for landmarks
  p.q_stride = layer.q->strides();
  p.k_stride = p.v_stride = layer.k->strides();
  p.cu_seqlens_q = g.cu_seqlens_q;
  p.cu_seqlens_k = g.cu_seqlens_k;
  p.total_q = layer.q->shape[2];
  p.total_k = layer.k->shape[2];
  p.batch = g.batch;
  p.seq_q = g.seq_q;
  p.seq_k = g.seq_k;
  p.heads_q = g.heads;
  p.heads_kv = static_cast<std::int32_t>(layer.k->shape[1]);
  p.dim = static_cast<std::int32_t>(layer.q->shape[3]);
  p.scale = layer.scale != 0.0f ? layer.scale : 1.0f / std::sqrt(static_cast<float>(p.dim));
  p.dtype = layer.q->dtype;
  p.causal = g.causal;
  return p;
}

// Without pointers to weights and gates.
device::SelectionOptions device_options(const HalftoneLayer& layer, const MaskGeometry& g, const HalftoneOptions& o) {
  device::SelectionOptions d;
  d.micro_block = o.micro_block;
  d.representatives = o.representatives;
  d.aggregation = o.aggregation;
  d.block_mass = o.block_mass;
  d.sink_blocks = o.sink_blocks;
  d.local_blocks = o.local_blocks;
  d.block_k = g.block_k;
  d.tolerance = o.tolerance;
  d.density = o.density;
  d.landmarks = patterns::detail::wants_landmarks(layer, o);
  d.shared_lists = o.shared_lists;
  return d;
}

std::string cuda_refusal(const HalftoneLayer& layer, const MaskGeometry& g, const HalftoneOptions& o) {
  if (is_host_space<ExecSpace>) return "the tensors lie in host memory";
  if (o.moments != 2) return fmt::format("moments = {}; it takes 2", o.moments);
  if (o.scope == patterns::ToleranceScope::head || o.scope == patterns::ToleranceScope::row)
    return "a tolerance for every head or row; it takes one for the layer";
  if (o.control != patterns::Control::none) return "a negative control; it takes none";
  if (g.block_q != 128) return fmt::format("tiles of {} queries; it takes 128", g.block_q);
  return device::refusal(request_of(layer, g), device_options(layer, g, o));
}

template <class T, class Values>
Array<T> upload(const Values& values, const char* label) {
  Array<T> result(uninitialized(label), values.size());
  const auto host = Kokkos::create_mirror_view(result);
  for (std::size_t i = 0; i < values.size(); ++i) host(i) = static_cast<T>(values[i]);
  Kokkos::deep_copy(result, host);
  return result;
}

// A copy of `count` elements that live in the selection's workspace.
template <class T>
Array<T> copy_of(const T* data, std::size_t count, const char* label) {
  using Unmanaged = Kokkos::View<const T*, MemSpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
  Array<T> result(uninitialized(label), count);
  Kokkos::deep_copy(result, Unmanaged(data, count));
  return result;
}

Tensor tensor_of(const void* data, DType dtype, const Tensor::Shape& shape) {
  Tensor tensor("halftone::kernels::landmarks", dtype, shape);
  using Unmanaged = Kokkos::View<const std::byte*, MemSpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
  Kokkos::deep_copy(tensor.bytes, Unmanaged(static_cast<const std::byte*>(data), tensor.bytes.extent(0)));
  return tensor;
}

BlockMask mask_of(const BlockMaskView& view, const device::SelectionOutcome& outcome, std::int64_t rows) {
  BlockMask mask;
  const auto kept = static_cast<std::size_t>(outcome.kept);
  mask.row_ptr = copy_of(view.row_ptr, static_cast<std::size_t>(rows) + 1, "halftone::kernels::row_ptr");
  mask.col_idx = copy_of(view.col_idx, kept, "halftone::kernels::col_idx");
  mask.kind = copy_of(view.kind, kept, "halftone::kernels::kind");
  mask.batch = view.batch;
  mask.heads = view.heads;
  mask.tiles = view.tiles;
  mask.blocks = view.blocks;
  mask.block_q = view.block_q;
  mask.block_k = view.block_k;
  mask.visible = outcome.visible;
  mask.pattern = "halftone";
  return mask;
}

HalftoneResult run_cuda(const HalftoneLayer& layer, const MaskGeometry& g, const HalftoneOptions& options) {
  patterns::detail::check_geometry(g);
  patterns::detail::check_options(options, g);
  patterns::detail::check_budget(options);
  patterns::detail::check_layer(layer, g, "layer");
  patterns::detail::check_reachable(options, {g, options.sink_blocks, options.local_blocks});
  const AttentionParams p = request_of(layer, g);
  device::SelectionOptions o = device_options(layer, g, options);
  device::validate(p, o);
  Array<float> weight;
  Array<std::uint8_t> gate;
  if (!layer.head_weight.empty()) {
    weight = upload<float>(layer.head_weight, "halftone::kernels::head_weight");
    o.head_weight = weight.data();
  }
  if (!layer.gate.empty()) {
    gate = upload<std::uint8_t>(layer.gate, "halftone::kernels::gate");
    o.gate = gate.data();
  }
  const Kokkos::View<std::byte*, MemSpace> workspace(uninitialized("halftone::kernels::selection"),
                                                     device::workspace_bytes(p, o));
  Kokkos::fence();
  const device::Selection selection = device::select(p, o, workspace.data(), nullptr);
  Kokkos::fence();

  const auto outcome =
      Kokkos::create_mirror_view_and_copy(HostSpace{}, copy_of(selection.outcome, 1, "halftone::kernels::outcome"))(0);
  if (outcome.not_finite > 0)
    throw InvalidArgument("q and k", fmt::format("{} block scores that are not finite", outcome.not_finite),
                          "finite numbers, of a size that float32 products hold");
  HalftoneResult result;
  patterns::HalftoneSelection chosen;
  chosen.mask = mask_of(selection.mask, outcome, g.rows());
  if (o.landmarks) {
    const LandmarkView& l = selection.landmarks;
    const Tensor::Shape shape{p.batch, p.heads_kv, l.blocks, p.dim};
    Landmarks landmarks;
    landmarks.key = tensor_of(l.key, p.dtype, shape);
    landmarks.value = tensor_of(l.value, p.dtype, shape);
    landmarks.bias = copy_of(l.bias, static_cast<std::size_t>(g.rows() * l.blocks), "halftone::kernels::landmark_bias");
    landmarks.tiles = l.tiles;
    landmarks.block_q = l.block_q;
    chosen.landmarks = landmarks;
  }
  result.tolerance = outcome.tolerance;
  result.density = chosen.mask.density();
  result.layers.push_back(std::move(chosen));
  return result;
}

std::string kokkos_refusal(const HalftoneLayer&, const MaskGeometry&, const HalftoneOptions&) { return ""; }

HalftoneResult run_kokkos(const HalftoneLayer& layer, const MaskGeometry& g, const HalftoneOptions& options) {
  return patterns::select_halftone({&layer, 1}, g, options);
}

const std::array<SelectionEntry, 2> kSelections{{
    {"cuda", "CUDA for Hopper: tensor-core scores, no round trip to the host", cuda_refusal, run_cuda},
    {"kokkos", "Kokkos kernels; every backend", kokkos_refusal, run_kokkos},
}};

}  // namespace

std::span<const SelectionEntry> selection_table() { return kSelections; }

const SelectionEntry& choose_selection(const HalftoneLayer& layer, const MaskGeometry& geometry,
                                       const HalftoneOptions& options, std::string_view name) {
  std::string names, refusals;
  for (const SelectionEntry& entry : kSelections) {
    names += fmt::format(", {}", entry.name);
    if (name != "auto" && name != entry.name) continue;
    const std::string refusal = entry.refusal(layer, geometry, options);
    if (refusal.empty()) return entry;
    refusals += fmt::format("{}{}: {}", refusals.empty() ? "" : "; ", entry.name, refusal);
  }
  if (refusals.empty()) throw InvalidArgument("selection", name, "auto" + names);
  throw Unsupported("no selection serves the request: " + refusals);
}

}  // namespace halftone
