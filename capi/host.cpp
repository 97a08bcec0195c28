#include "halftone/capi/host.hpp"

#include <cstdlib>
#include <cstring>
#include <mutex>

#include "halftone/capi/request.hpp"
#include "halftone/capi/status.hpp"
#include "halftone/core/block_mask.hpp"
#include "halftone/core/kokkos_compat.hpp"
#include "halftone/kernels/attention.hpp"
#include "halftone/kernels/sequences.hpp"
#include "halftone/patterns/halftone/selection.hpp"

namespace halftone::capi {
namespace {

/// Kokkos, initialised, for one call at a time: its host back ends share scratch memory among the calls.
class KokkosTurn {
 public:
  KokkosTurn() : lock_(mutex_) {
    if (!is_host_space<ExecSpace>) throw Unsupported("requests in host memory: in this build Kokkos runs on a GPU");
    if (Kokkos::is_initialized()) return;
    Kokkos::initialize();
    std::atexit([] {
      if (Kokkos::is_initialized()) Kokkos::finalize();
    });
  }

 private:
  static inline std::mutex mutex_;
  std::lock_guard<std::mutex> lock_;
};

// The caller's array as a view.
template <class T>
HostArray<T> wrap(const T* data, std::int64_t count) {
  return HostArray<T>(const_cast<T*>(data), data && count > 0 ? static_cast<std::size_t>(count) : 0);
}

void check_mask(const halftone_block_mask& m) {
  HostBlockMask mask;
  const std::int64_t rows = std::int64_t{m.batch} * m.heads * m.tiles;
  mask.row_ptr = wrap(m.row_ptr, rows + 1);
  mask.col_idx = wrap(m.col_idx, m.kept);
  mask.kind = wrap(m.kind, m.kept);
  mask.bits_index = wrap(m.bits_index, m.kept);
  mask.bits = wrap(m.bits, m.bit_blocks * m.block_q * (m.block_k / 64));
  mask.batch = m.batch;
  mask.heads = m.heads;
  mask.tiles = m.tiles;
  mask.blocks = m.blocks;
  mask.block_q = m.block_q;
  mask.block_k = m.block_k;
  halftone::validate(mask);
}

Tensor::Shape shape_of(const AttentionParams& p, std::int32_t heads, std::int64_t seq, std::int64_t total) {
  return p.packed() ? Tensor::Shape{1, heads, total, p.dim} : Tensor::Shape{p.batch, heads, seq, p.dim};
}
Tensor::Shape q_shape(const AttentionParams& p) { return shape_of(p, p.heads_q, p.seq_q, p.total_q); }
Tensor::Shape k_shape(const AttentionParams& p) { return shape_of(p, p.heads_kv, p.seq_k, p.total_k); }

// Starts of packed sequences that the request's sizes contradict.
void check_lengths(const AttentionParams& p) {
  if (!p.packed()) return;
  Tensor q, k;
  q.shape = q_shape(p);
  k.shape = k_shape(p);
  const auto starts = [&](const std::int32_t* data) {
    return Kokkos::create_mirror_view_and_copy(MemSpace(), wrap(data, p.batch + 1));
  };
  const Sequences s = describe_sequences(q, k, starts(p.cu_seqlens_q), starts(p.cu_seqlens_k));
  if (p.seq_q < s.seq_q || p.seq_k < s.seq_k)
    throw InvalidArgument(
        "packed lengths", std::to_string(p.seq_q) + " and " + std::to_string(p.seq_k),
        "at least the longest sequence's, " + std::to_string(s.seq_q) + " and " + std::to_string(s.seq_k));
}

// Contiguous rows of a tensor with strides.
Tensor gather(const void* data, const TensorStrides& stride, DType dtype, const Tensor::Shape& shape) {
  Tensor tensor("halftone::capi::rows", dtype, shape);
  const auto element = static_cast<std::int64_t>(size_of(dtype));
  const auto row_bytes = static_cast<std::size_t>(shape[3] * element);
  auto* to = static_cast<std::byte*>(tensor.data());
  for (std::int64_t b = 0; b < shape[0]; ++b)
    for (std::int64_t h = 0; h < shape[1]; ++h)
      for (std::int64_t i = 0; i < shape[2]; ++i, to += row_bytes)
        std::memcpy(
            to, static_cast<const std::byte*>(data) + (b * stride.batch + h * stride.head + i * stride.seq) * element,
            row_bytes);
  return tensor;
}

MaskGeometry geometry_of(const AttentionParams& p, std::int32_t block_k) {
  MaskGeometry g;
  g.batch = p.batch;
  g.heads = p.heads_q;
  g.seq_q = p.seq_q;
  g.seq_k = p.seq_k;
  g.block_k = block_k;
  g.causal = p.causal;
  g.cu_seqlens_q = p.cu_seqlens_q;
  g.cu_seqlens_k = p.cu_seqlens_k;
  return g;
}

void attend(const AttentionParams& p, std::string_view name) {
  // Not the CUDA kernels, which would take the tensors to the device and back, unless asked for.
  const KernelEntry& kernel = choose_kernel(kernel_table(), p, name == "auto" ? "portable" : name);
  kernel.run(p, nullptr, nullptr);
  Kokkos::fence();
  remember_kernel(kernel.name);
}

// Places in the workspace: the outcome, row_ptr, col_idx, kind.
struct SelectedPlaces {
  std::int64_t rows, entries;
  explicit SelectedPlaces(const MaskGeometry& lists) : rows(lists.rows()), entries(lists.rows() * lists.blocks()) {}

  std::size_t row_ptr() const { return sizeof(halftone_outcome); }
  std::size_t col_idx() const { return row_ptr() + static_cast<std::size_t>(rows + 1) * sizeof(std::int64_t); }
  std::size_t kind() const { return col_idx() + static_cast<std::size_t>(entries) * sizeof(std::int32_t); }
  std::size_t bytes() const { return kind() + static_cast<std::size_t>(entries); }
};

template <class View>
void copy_out(void* to, const View& from) {
  if (from.extent(0)) std::memcpy(to, from.data(), from.extent(0) * sizeof(typename View::value_type));
}

void report(const patterns::HalftoneResult& result, const patterns::detail::NearField& near, void* workspace,
            halftone_selected& selected) {
  const BlockMask& mask = result.layers.front().mask;
  const SelectedPlaces places(near.geometry);
  auto* base = static_cast<std::byte*>(workspace);
  const halftone_outcome outcome{mask.visible, patterns::detail::count_forced_blocks(near), mask.kept(),
                                 static_cast<float>(result.tolerance), 0};
  std::memcpy(base, &outcome, sizeof outcome);
  copy_out(base + places.row_ptr(), mask.row_ptr);
  copy_out(base + places.col_idx(), mask.col_idx);
  copy_out(base + places.kind(), mask.kind);
  BlockMaskView view = mask.view();
  view.row_ptr = reinterpret_cast<const std::int64_t*>(base + places.row_ptr());
  view.col_idx = reinterpret_cast<const std::int32_t*>(base + places.col_idx());
  view.kind = reinterpret_cast<const std::uint8_t*>(base + places.kind());
  selected = {sizeof selected, reinterpret_cast<const halftone_outcome*>(base), mask_struct(view, places.entries)};
}

}  // namespace

bool host_is_served() { return is_host_space<ExecSpace>; }

void host_block_sparse_attention(const halftone_request& request, const halftone_block_mask* mask) {
  AttentionParams p = attention_params(request);
  if (mask) p.mask = mask_view(*mask);
  halftone::validate(p);
  const KokkosTurn turn;
  check_lengths(p);
  if (mask) check_mask(*mask);
  attend(p, kernel_name(request));
}

void host_attention(const halftone_request& request, const halftone_selection& selection, halftone_selected* selected) {
  AttentionParams p = attention_params(request);
  halftone::validate(p);
  const MaskGeometry geometry = geometry_of(p, block_keys(selection));
  const patterns::HalftoneOptions options = host_options(selection);
  if (selected) require_workspace(request, host_selected_bytes(request, selection));
  const KokkosTurn turn;
  check_lengths(p);
  const Tensor q = gather(p.q, p.q_stride, p.dtype, q_shape(p)), k = gather(p.k, p.k_stride, p.dtype, k_shape(p));
  const Tensor v = options.landmarks ? gather(p.v, p.v_stride, p.dtype, k_shape(p)) : Tensor{};
  patterns::HalftoneLayer layer{&q, &k, options.landmarks ? &v : nullptr, p.scale, {}, {}};
  if (selection.head_weight) layer.head_weight.assign(selection.head_weight, selection.head_weight + p.heads_q);
  if (selection.gate) layer.gate.assign(selection.gate, selection.gate + p.heads_q);
  const patterns::HalftoneResult result = patterns::select_halftone({&layer, 1}, geometry, options);
  p.mask = result.layers.front().mask.view();
  if (result.layers.front().landmarks) p.landmarks = result.layers.front().landmarks->view();
  attend(p, kernel_name(request));
  if (!selected) return;
  const MaskGeometry lists = patterns::detail::list_geometry(geometry, options, p.heads_kv);
  report(result, {lists, options.sink_blocks, options.local_blocks}, request.workspace, *selected);
}

std::size_t host_selected_bytes(const halftone_request& request, const halftone_selection& selection) {
  const AttentionParams p = attention_params(request);
  halftone::validate(p);
  const MaskGeometry geometry = geometry_of(p, block_keys(selection));
  if (geometry.block_k <= 0) throw InvalidArgument("block_k", std::to_string(geometry.block_k), "64 or 128");
  return SelectedPlaces(patterns::detail::list_geometry(geometry, host_options(selection), p.heads_kv)).bytes();
}

}  // namespace halftone::capi
