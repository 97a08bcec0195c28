#include "workload.hpp"

#include <sys/resource.h>

#include "halftone/core/philox.hpp"

namespace halftone::bench {
namespace {

Tensor random_tensor(DType dtype, std::int64_t seq, int dim, std::uint64_t stream) {
  HostTensor tensor("halftone::bench::input", DType::float32, {1, 1, seq, dim});
  const Philox random{2026, stream};
  auto* data = static_cast<float*>(tensor.data());
  for (std::int64_t i = 0; i < tensor.size(); ++i) data[i] = random.normal(static_cast<std::uint64_t>(i));
  return to_device(convert(tensor, dtype));
}

}  // namespace

Workload::Workload(DType dtype, std::int64_t seq, int dim)
    : q(random_tensor(dtype, seq, dim, 1)), k(random_tensor(dtype, seq, dim, 2)), v(random_tensor(dtype, seq, dim, 3)) {
  geometry.seq_q = geometry.seq_k = seq;
}

double Workload::flops(std::int64_t blocks) const {
  return 4.0 * static_cast<double>(q.shape[3]) * geometry.block_q * geometry.block_k * static_cast<double>(blocks);
}

double peak_memory_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;
}

}  // namespace halftone::bench
