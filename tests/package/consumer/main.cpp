// Sparse attention from outside: one row of the result against a plain softmax over the pairs that the mask allows.
#include <cmath>
#include <cstdio>
#include <vector>

#include "halftone/core/philox.hpp"
#include "halftone/kernels/attention.hpp"
#include "halftone/patterns/pattern.hpp"

namespace {

constexpr int kHeads = 2, kSeq = 1000, kDim = 32;

halftone::HostTensor random_tensor(int heads, std::uint64_t stream) {
  halftone::HostTensor tensor("consumer", halftone::DType::float32, {1, heads, kSeq, kDim});
  const halftone::Philox random{1, stream};
  auto* data = static_cast<float*>(tensor.data());
  for (std::int64_t i = 0; i < tensor.size(); ++i) data[i] = random.normal(i);
  return tensor;
}

/// Output of one query of one head, in double, over the pairs that the mask keeps and allows.
std::vector<double> naive_row(const halftone::HostTensor& q, const halftone::HostTensor& k,
                              const halftone::HostTensor& v, const halftone::BlockMaskView& mask, int head, int query) {
  const auto qs = q.view<float>(), ks = k.view<float>(), vs = v.view<float>();
  std::vector<double> out(kDim, 0.0);
  double denominator = 0.0;
  const std::int64_t row = mask.row(0, head, kHeads, query / mask.block_q);
  for (std::int64_t entry = mask.row_ptr[row]; entry < mask.row_ptr[row + 1]; ++entry) {
    const int first = mask.col_idx[entry] * mask.block_k;
    for (int key = first; key < first + mask.block_k && key < kSeq; ++key) {
      if (!mask.allows(entry, query, key, kSeq, kSeq)) continue;
      double score = 0.0;
      for (int d = 0; d < kDim; ++d) score += double{qs(0, head, query, d)} * double{ks(0, 0, key, d)};
      const double weight = std::exp(score / std::sqrt(double{kDim}));
      denominator += weight;
      for (int d = 0; d < kDim; ++d) out[d] += weight * double{vs(0, 0, key, d)};
    }
  }
  for (double& x : out) x /= denominator;
  return out;
}

int run() {
  const auto q = random_tensor(kHeads, 0), k = random_tensor(1, 1), v = random_tensor(1, 2);
  const halftone::Tensor q_device = to_device(q), k_device = to_device(k), v_device = to_device(v);

  halftone::patterns::PatternRequest request;
  request.geometry.heads = kHeads;
  request.geometry.seq_q = request.geometry.seq_k = kSeq;
  request.density = 0.5;
  const halftone::BlockMask mask = halftone::patterns::make_mask("local", request);

  halftone::AttentionOptions options;
  options.mask = &mask;
  const auto result = halftone::block_sparse_attention(q_device, k_device, v_device, options);
  const halftone::HostTensor output = to_host(result.o);
  const auto o = output.view<float>();

  const halftone::HostBlockMask host_mask = to_host(mask);
  const int head = 1, query = 777;
  const std::vector<double> expected = naive_row(q, k, v, host_mask.view(), head, query);
  double worst = 0.0;
  for (int d = 0; d < kDim; ++d) worst = std::fmax(worst, std::fabs(expected[d] - double{o(0, head, query, d)}));

  std::printf("kernel %s, density %.3f, largest difference %.2g\n", result.kernel.c_str(), mask.density(), worst);
  return mask.density() < 0.9 && worst < 1e-5 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Kokkos::initialize(argc, argv);
  const int status = run();
  Kokkos::finalize();
  return status;
}
