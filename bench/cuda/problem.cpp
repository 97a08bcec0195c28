#include "problem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "device_data.hpp"
#include "halftone/core/error.hpp"
#include "halftone/core/philox.hpp"
#include "halftone/cuda_specialized/common/check.hpp"
#include "naive_attention.hpp"
#ifdef HALFTONE_BENCH_SM90
#include "halftone/cuda_specialized/sm90/forward.hpp"
#endif
#ifdef HALFTONE_BENCH_WMMA
#include "halftone/cuda_specialized/wmma/forward.hpp"
#endif

namespace halftone::bench {
namespace {

constexpr int kCheckedRows = 64;

std::size_t output_bytes(const AttentionParams& p) {
  return static_cast<std::size_t>(p.batch * p.heads_q * p.seq_q * p.dim) * size_of(p.dtype);
}

#ifdef HALFTONE_BENCH_SM90
void run_sm90(const AttentionParams& params, void* workspace, void* stream) {
  cuda::sm90::forward(params, workspace, static_cast<cudaStream_t>(stream));
}
#endif
#ifdef HALFTONE_BENCH_WMMA
void run_wmma(const AttentionParams& params, void* workspace, void* stream) {
  cuda::wmma::forward(params, workspace, static_cast<cudaStream_t>(stream));
}
#endif

const std::vector<KernelEntry> kKernels = {
#ifdef HALFTONE_BENCH_SM90
    {"sm90", "Hopper: TMA and wgmma", cuda::sm90::refusal, cuda::sm90::workspace_bytes, run_sm90},
#endif
#ifdef HALFTONE_BENCH_WMMA
    {"wmma", "Ampere and later: mma.sync", cuda::wmma::refusal, cuda::wmma::workspace_bytes, run_wmma},
#endif
};

}  // namespace

std::string_view name_of(Layout layout) { return layout == Layout::bhsd ? "bhsd" : "bshd"; }

AttentionParams request_of(const Shape& shape, bool causal, Layout layout) {
  AttentionParams p;
  p.batch = shape.batch;
  p.heads_q = shape.heads;
  p.heads_kv = shape.heads_kv;
  p.seq_q = p.seq_k = shape.seq;
  p.dim = shape.dim;
  p.dtype = shape.dtype;
  p.causal = causal;
  p.scale = 1.0f / std::sqrt(static_cast<float>(shape.dim));
  const std::int64_t seq = shape.seq, dim = shape.dim;
  const auto strides = [&](std::int64_t heads) {
    return layout == Layout::bhsd ? TensorStrides{heads * seq * dim, seq * dim, dim}
                                  : TensorStrides{seq * heads * dim, dim, heads * dim};
  };
  p.q_stride = p.o_stride = strides(shape.heads);
  p.k_stride = p.v_stride = strides(shape.heads_kv);
  return p;
}

Problem::Problem(const Shape& shape, cudaStream_t stream) : shape_(shape) {
  const auto count = [&](int heads) { return shape.batch * heads * shape.seq * shape.dim; };
  const auto allocate = [&](DeviceBuffer& tensor, int heads) {
    tensor = DeviceBuffer(static_cast<std::size_t>(count(heads)) * size_of(shape.dtype));
  };
  std::uint64_t which = 1;
  for (DeviceBuffer* tensor : {&q_, &k_, &v_}) {
    const int heads = tensor == &q_ ? shape.heads : shape.heads_kv;
    allocate(*tensor, heads);
    fill_normal(tensor->get(), count(heads), shape.dtype, which++, stream);
  }
  for (DeviceBuffer* output : {&o_, &other_}) allocate(*output, shape.heads);
  HALFTONE_CUDA_CHECK(cudaStreamSynchronize(stream));
}

AttentionParams Problem::request(bool causal, Layout layout) const {
  AttentionParams p = request_of(shape_, causal, layout);
  p.q = q_.get();
  p.k = k_.get();
  p.v = v_.get();
  p.o = o_.get();
  return p;
}

double error_of(const AttentionParams& params, const Launch& launch, cudaStream_t stream) {
  HALFTONE_CUDA_CHECK(cudaMemsetAsync(params.o, 0xff, output_bytes(params), stream));
  launch(stream);
  const Philox random{2026, 99};
  std::vector<std::int64_t> rows;
  const std::uint64_t queries = static_cast<std::uint64_t>(params.batch * params.heads_q * params.seq_q);
  for (int i = 0; i < kCheckedRows; ++i)
    rows.push_back(random.below(static_cast<std::uint64_t>(i), static_cast<std::uint32_t>(queries)));
  const DeviceBuffer device_rows = DeviceBuffer::copy_of(std::span<const std::int64_t>(rows));
  const DeviceBuffer scratch(sizeof(float) * naive_scratch_floats(params, kCheckedRows));
  std::array<float, 2 * kCheckedRows> sums{};
  const DeviceBuffer errors(sizeof sums);
  naive_row_errors(params, device_rows.as<std::int64_t>(), kCheckedRows, scratch.as<float>(), errors.as<float>(),
                   stream);
  HALFTONE_CUDA_CHECK(cudaStreamSynchronize(stream));
  errors.download(sums.data(), sizeof sums);
  double worst = 0.0;
  for (int i = 0; i < kCheckedRows; ++i) {
    const double error = std::sqrt(sums[2 * i] / std::max(sums[2 * i + 1], std::numeric_limits<float>::min()));
    if (!(error <= worst)) worst = error;  // also when it is NaN
    if (std::isnan(worst)) break;
  }
  return worst;
}

double distance(const AttentionParams& params, const void* output, const void* reference, cudaStream_t stream) {
  std::array<double, 2> sums{};
  const DeviceBuffer device_sums = DeviceBuffer::copy_of(std::span<const double>(sums));
  const auto count = static_cast<std::int64_t>(output_bytes(params) / size_of(params.dtype));
  add_squares(output, reference, count, params.dtype, device_sums.as<double>(), stream);
  HALFTONE_CUDA_CHECK(cudaStreamSynchronize(stream));
  device_sums.download(sums.data(), sizeof sums);
  return std::sqrt(sums[0] / sums[1]);
}

double tolerance(DType dtype) { return dtype == DType::float16 ? 2e-3 : 1e-2; }

std::span<const KernelEntry> gpu_kernels() { return kKernels; }

const KernelEntry& gpu_kernel(std::string_view name) {
  for (const KernelEntry& kernel : kKernels)
    if (kernel.name == name) return kernel;
  std::string known;
  for (const KernelEntry& kernel : kKernels) known += fmt::format("{}{}", known.empty() ? "" : ", ", kernel.name);
  throw InvalidArgument("kernel", name, known.empty() ? "a build with one" : known);
}

BoundKernel::BoundKernel(const KernelEntry& kernel, const AttentionParams& params) : kernel_(&kernel), params_(params) {
  if (const std::string reason = kernel.refusal(params); !reason.empty())
    throw Unsupported(fmt::format("{}: {}", kernel.name, reason));
  workspace_ = DeviceBuffer(kernel.workspace_bytes(params));
}

}  // namespace halftone::bench
