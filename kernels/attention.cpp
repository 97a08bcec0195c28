#include "halftone/kernels/attention.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "halftone/core/error.hpp"
#include "halftone/kernels/portable/portable_attention.hpp"
#include "halftone/kernels/reference/reference_attention.hpp"
#include "halftone/kernels/sequences.hpp"
#include "halftone/kernels/specialized/specialized_attention.hpp"

namespace halftone {
namespace {

std::size_t no_workspace(const AttentionParams&) { return 0; }
void run_reference(const AttentionParams& params, void*, void*) { reference::attention(params); }
void run_portable(const AttentionParams& params, void*, void*) { portable::attention(ExecSpace{}, params); }

const std::array<KernelEntry, 4> kKernels{{
    specialized::sm90(),
    specialized::wmma(),
    {"portable", "Kokkos teams, streaming softmax; every backend", portable::refusal, no_workspace, run_portable},
    {"reference", "plain loops with double accumulation, one thread; the oracle", reference::refusal, no_workspace,
     run_reference},
}};

std::string shape_text(const Tensor::Shape& s) { return fmt::format("[{}, {}, {}, {}]", s[0], s[1], s[2], s[3]); }

void require_shape(const Tensor& tensor, std::string_view name, const Tensor::Shape& expected) {
  if (tensor.shape != expected) throw InvalidArgument(name, shape_text(tensor.shape), shape_text(expected));
}

}  // namespace

std::span<const KernelEntry> kernel_table() { return kKernels; }

AttentionResult block_sparse_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                       const AttentionOptions& options) {
  require_shape(k, "shape of k", {q.shape[0], k.shape[1], k.shape[2], q.shape[3]});
  require_shape(v, "shape of v", k.shape);
  for (const Tensor* t : {&k, &v})
    if (t->dtype != q.dtype) throw InvalidArgument("dtype of k and v", name_of(t->dtype), name_of(q.dtype));

  AttentionResult result;
  result.o = Tensor("halftone::kernels::o", q.dtype, q.shape);
  const std::size_t rows = static_cast<std::size_t>(q.shape[0] * q.shape[1] * q.shape[2]);
  result.lse = Array<float>(uninitialized("halftone::kernels::lse"), rows);

  AttentionParams p;
  p.q = q.data();
  p.k = k.data();
  p.v = v.data();
  p.o = result.o.data();
  p.lse = result.lse.data();
  p.q_stride = q.strides();
  p.k_stride = k.strides();
  p.v_stride = v.strides();
  p.o_stride = q.strides();
  p.heads_q = static_cast<std::int32_t>(q.shape[1]);
  p.heads_kv = static_cast<std::int32_t>(k.shape[1]);
  p.dim = static_cast<std::int32_t>(q.shape[3]);
  p.dtype = q.dtype;
  p.causal = options.causal;
  p.scale = options.scale != 0.0f ? options.scale : 1.0f / std::sqrt(static_cast<float>(p.dim));
  const Sequences sequences = describe_sequences(q, k, options.cu_seqlens_q, options.cu_seqlens_k);
  p.batch = sequences.batch;
  p.seq_q = sequences.seq_q;
  p.seq_k = sequences.seq_k;
  p.total_q = sequences.total_q;
  p.total_k = sequences.total_k;
  p.cu_seqlens_q = sequences.cu_seqlens_q;
  p.cu_seqlens_k = sequences.cu_seqlens_k;
  if (options.sink.extent(0)) {
    if (options.sink.extent(0) != static_cast<std::size_t>(p.heads_q))
      throw InvalidArgument("sink", fmt::format("{} entries", options.sink.extent(0)), std::to_string(p.heads_q));
    p.sink = options.sink.data();
  }
  if (options.mask) p.mask = options.mask->view();
  if (options.landmarks) {
    const Landmarks& l = *options.landmarks;
    require_shape(l.key, "shape of landmark keys", {p.batch, p.heads_kv, l.key.shape[2], p.dim});
    require_shape(l.value, "shape of landmark values", l.key.shape);
    if (l.key.dtype != q.dtype || l.value.dtype != q.dtype)
      throw InvalidArgument("dtype of landmarks", name_of(l.key.dtype), name_of(q.dtype));
    p.landmarks = l.view();
    result.far_mass = Array<float>(uninitialized("halftone::kernels::far_mass"), rows);
    p.far_mass = result.far_mass.data();
  }
  validate(p);

  const KernelEntry& kernel = choose_kernel(kernel_table(), p, options.kernel);
  const Kokkos::View<std::byte*, MemSpace> workspace(uninitialized("halftone::kernels::workspace"),
                                                     kernel.workspace_bytes(p));
  kernel.run(p, workspace.data(), nullptr);
  Kokkos::fence();
  result.kernel = kernel.name;
  return result;
}

}  // namespace halftone
