#include "halftone/kernels/sequences.hpp"

#include <fmt/format.h>

#include "halftone/core/error.hpp"

namespace halftone {
namespace {

/// Longest sequence between consecutive starts; throws unless they rise from 0 to `total`.
std::int64_t longest_sequence(const Array<std::int32_t>& starts, std::string_view name, std::int64_t total) {
  const auto host = Kokkos::create_mirror_view_and_copy(HostSpace{}, starts);
  const std::size_t last = host.extent(0) - 1;
  if (host(0) != 0) throw InvalidArgument(name, fmt::format("a first entry of {}", host(0)), "0");
  if (host(last) != total)
    throw InvalidArgument(name, fmt::format("a last entry of {}", host(last)), std::to_string(total));
  std::int64_t longest = 0;
  for (std::size_t i = 0; i < last; ++i) {
    const std::int64_t length = host(i + 1) - host(i);
    if (length <= 0)
      throw InvalidArgument(name, fmt::format("a sequence of length {}", length), "lengths of 1 or more");
    longest = length > longest ? length : longest;
  }
  return longest;
}

}  // namespace

Sequences describe_sequences(const Tensor& q, const Tensor& k, const Array<std::int32_t>& starts_q,
                             const Array<std::int32_t>& starts_k) {
  Sequences s;
  if (starts_q.extent(0) == 0 && starts_k.extent(0) == 0) {
    s.batch = static_cast<std::int32_t>(q.shape[0]);
    s.seq_q = q.shape[2];
    s.seq_k = k.shape[2];
    return s;
  }
  if (starts_q.extent(0) != starts_k.extent(0) || starts_q.extent(0) < 2)
    throw InvalidArgument("cu_seqlens", fmt::format("{} and {} entries", starts_q.extent(0), starts_k.extent(0)),
                          "sequences + 1 entries each");
  if (q.shape[0] != 1) throw InvalidArgument("packed batch", std::to_string(q.shape[0]), "1");
  s.batch = static_cast<std::int32_t>(starts_q.extent(0)) - 1;
  s.seq_q = longest_sequence(starts_q, "cu_seqlens_q", q.shape[2]);
  s.seq_k = longest_sequence(starts_k, "cu_seqlens_k", k.shape[2]);
  s.total_q = q.shape[2];
  s.total_k = k.shape[2];
  s.cu_seqlens_q = starts_q.data();
  s.cu_seqlens_k = starts_k.data();
  return s;
}

}  // namespace halftone
