#include "halftone/eval/quality/token_quality.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "halftone/core/error.hpp"
#include "halftone/core/fast_math.hpp"

namespace halftone::eval {
namespace {

using Policy = Kokkos::TeamPolicy<ExecSpace>;
using Highest = Kokkos::MaxLoc<float, int>;

// Logits of two models held at once: 8 MiB each, which a host's cache likes; 128 MiB on a GPU, for fewer launches.
constexpr std::size_t kLogitBudget = std::size_t{1} << (is_host_space<ExecSpace> ? 21 : 25);

/// Device columns that a comparison of `count` tokens fills.
struct Columns {
  explicit Columns(std::size_t count)
      : reference_loss(uninitialized("halftone::eval::reference_loss"), count),
        loss(uninitialized("halftone::eval::loss"), count), kl(uninitialized("halftone::eval::kl"), count),
        agrees(uninitialized("halftone::eval::agrees"), count) {}

  Array<float> reference_loss, loss, kl;
  Array<std::uint8_t> agrees;
};

KOKKOS_INLINE_FUNCTION Highest::value_type highest_of(const Policy::member_type& team, const Matrix& logits, int row) {
  Highest::value_type result;
  Kokkos::parallel_reduce(
      Kokkos::TeamThreadRange(team, static_cast<int>(logits.extent(1))),
      [&](int c, Highest::value_type& best) {
        if (logits(row, c) > best.val) best = {logits(row, c), c};
      },
      Highest(result));
  return result;
}

// With e = exp(logit - highest): KL = sum e_a (a - b) / sum e_a - log Z_a + log Z_b.
void compare_rows(const Matrix& a, const Matrix& b, const Array<std::uint32_t>& target, const Columns& out,
                  std::size_t begin) {
  const int vocab = static_cast<int>(a.extent(1));
  Kokkos::parallel_for(
      "halftone::eval::compare_tokens", Policy(static_cast<int>(a.extent(0)), Kokkos::AUTO),
      KOKKOS_LAMBDA(const Policy::member_type& team) {
        const int r = team.league_rank();
        const Highest::value_type top_a = highest_of(team, a, r), top_b = highest_of(team, b, r);
        double sum_a = 0.0, sum_b = 0.0, weighted = 0.0;
        Kokkos::parallel_reduce(
            Kokkos::TeamThreadRange(team, vocab), [&](int c, double& sum) { sum += fast_exp(a(r, c) - top_a.val); },
            sum_a);
        Kokkos::parallel_reduce(
            Kokkos::TeamThreadRange(team, vocab), [&](int c, double& sum) { sum += fast_exp(b(r, c) - top_b.val); },
            sum_b);
        Kokkos::parallel_reduce(
            Kokkos::TeamThreadRange(team, vocab),
            [&](int c, double& sum) { sum += fast_exp(a(r, c) - top_a.val) * (a(r, c) - b(r, c)); }, weighted);
        Kokkos::single(Kokkos::PerTeam(team), [&]() {
          const double log_a = std::log(sum_a) + top_a.val, log_b = std::log(sum_b) + top_b.val;
          const std::uint32_t next = target(begin + r);
          out.reference_loss(begin + r) = static_cast<float>(log_a - a(r, next));
          out.loss(begin + r) = static_cast<float>(log_b - b(r, next));
          out.kl(begin + r) = static_cast<float>(weighted / sum_a - log_a + log_b);
          out.agrees(begin + r) = top_a.loc == top_b.loc ? 1 : 0;
        });
      });
}

template <class T>
std::vector<T> to_vector(const Array<T>& values) {
  const auto host = Kokkos::create_mirror_view_and_copy(HostSpace{}, values);
  return {host.data(), host.data() + host.extent(0)};
}

Array<std::uint32_t> to_device(const char* label, std::span<const std::uint32_t> values) {
  HostArray<std::uint32_t> host(uninitialized(label), values.size());
  std::copy(values.begin(), values.end(), host.data());
  return Kokkos::create_mirror_view_and_copy(MemSpace{}, host);
}

}  // namespace

TokenQuality compare_tokens(const LlamaModel& model, const Matrix& reference, const Matrix& changed,
                            std::span<const std::int32_t> targets) {
  for (const Matrix& hidden : {reference, changed})
    if (hidden.extent(0) != targets.size())
      throw InvalidArgument("hidden states", fmt::format("{} rows", hidden.extent(0)),
                            fmt::format("{}, one per target", targets.size()));
  const auto vocab = static_cast<std::size_t>(model.sizes().vocab_size);
  for (const std::int32_t target : targets)
    if (target < 0 || static_cast<std::size_t>(target) >= vocab)
      throw InvalidArgument("targets", fmt::format("{}", target), fmt::format("ids below {}", vocab));
  const Columns out(targets.size());
  const auto target = to_device("halftone::eval::target", std::vector<std::uint32_t>(targets.begin(), targets.end()));
  const std::size_t rows = std::max<std::size_t>(1, kLogitBudget / vocab);
  for (std::size_t begin = 0; begin < targets.size(); begin += rows) {
    const std::size_t end = std::min(begin + rows, targets.size());
    compare_rows(model.logits(rows_of(reference, begin, end)), model.logits(rows_of(changed, begin, end)), target, out,
                 begin);
  }
  return {to_vector(out.reference_loss), to_vector(out.loss), to_vector(out.kl), to_vector(out.agrees)};
}

std::vector<std::int32_t> predictions(const LlamaModel& model, const Matrix& hidden, std::span<const std::int64_t> rows) {
  for (const std::int64_t row : rows)
    if (row < 0 || row >= static_cast<std::int64_t>(hidden.extent(0)))
      throw InvalidArgument("rows", fmt::format("{}", row), fmt::format("0 to {}", hidden.extent(0) - 1));
  if (rows.empty()) return {};
  const Matrix logits = model.logits(gather_rows(
      hidden, to_device("halftone::eval::rows", std::vector<std::uint32_t>(rows.begin(), rows.end()))));
  const Array<std::int32_t> first(uninitialized("halftone::eval::predictions"), rows.size());
  Kokkos::parallel_for(
      "halftone::eval::predictions", Policy(static_cast<int>(rows.size()), Kokkos::AUTO),
      KOKKOS_LAMBDA(const Policy::member_type& team) {
        const Highest::value_type top = highest_of(team, logits, team.league_rank());
        Kokkos::single(Kokkos::PerTeam(team), [&]() { first(team.league_rank()) = top.loc; });
      });
  return to_vector(first);
}

}  // namespace halftone::eval
