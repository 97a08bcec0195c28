#include "halftone/kernels/reference/reference_attention.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "halftone/core/kokkos_compat.hpp"

namespace halftone::reference {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

/// Index of the mask entry that holds (query, key), or -1 when its block is not kept.
std::int64_t find_entry(const AttentionParams& p, std::int64_t b, std::int64_t head, std::int64_t query,
                        std::int64_t key) {
  const std::int64_t row = p.mask.row(b, head, p.heads_q, query / p.mask.block_q);
  const std::int32_t* begin = p.mask.col_idx + p.mask.row_ptr[row];
  const std::int32_t* end = p.mask.col_idx + p.mask.row_ptr[row + 1];
  const std::int32_t block = static_cast<std::int32_t>(key / p.mask.block_k);
  const std::int32_t* found = std::lower_bound(begin, end, block);
  return found != end && *found == block ? found - p.mask.col_idx : -1;
}

template <class T>
double dot(const T* a, const T* b, int n) {
  double sum = 0.0;
  for (int d = 0; d < n; ++d) sum += static_cast<double>(float(a[d])) * static_cast<double>(float(b[d]));
  return sum;
}

/// One query's scores and the values they weigh; landmarks come last.
template <class T>
struct Row {
  std::vector<double> score;
  std::vector<const T*> value;
  std::size_t far_begin = 0;
};

template <class T>
class Reference {
 public:
  Reference(const AttentionParams& params, const ElementRule& rule) : p_(params), rule_(rule) {}

  void run() {
    for (std::int64_t b = 0; b < p_.batch; ++b)
      for (std::int64_t h = 0; h < p_.heads_q; ++h)
        for (std::int64_t i = 0; i < sequence_extent(p_, b).len_q; ++i) attend(b, h, i);
  }

 private:
  bool allowed(std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j, const SequenceExtent& e) const {
    if (p_.causal && j > i + e.len_k - e.len_q) return false;
    if (p_.mask.row_ptr) {
      const std::int64_t entry = find_entry(p_, b, h, i, j);
      if (entry < 0 || !p_.mask.allows(entry, i, j, e.len_q, e.len_k)) return false;
    }
    return !rule_ || rule_(b, h, i, j);
  }

  void gather(std::int64_t b, std::int64_t h, std::int64_t i, const SequenceExtent& e) {
    const std::int64_t h_kv = h / (p_.heads_q / p_.heads_kv);
    const T* q = static_cast<const T*>(p_.q) + row_offset(p_, p_.q_stride, b, h, e.begin_q) + i * p_.q_stride.seq;
    const T* k = static_cast<const T*>(p_.k) + row_offset(p_, p_.k_stride, b, h_kv, e.begin_k);
    const T* v = static_cast<const T*>(p_.v) + row_offset(p_, p_.v_stride, b, h_kv, e.begin_k);
    row_.score.clear();
    row_.value.clear();
    for (std::int64_t j = 0; j < e.len_k; ++j) {
      if (!allowed(b, h, i, j, e)) continue;
      row_.score.push_back(p_.scale * dot(q, k + j * p_.k_stride.seq, p_.dim));
      row_.value.push_back(v + j * p_.v_stride.seq);
    }
    row_.far_begin = row_.score.size();
    if (!p_.landmarks.key) return;
    const LandmarkView& l = p_.landmarks;
    const float* bias = l.bias + ((b * p_.heads_q + h) * l.tiles + i / l.block_q) * l.blocks;
    for (std::int64_t c = 0; c < l.blocks; ++c) {
      if (bias[c] == -std::numeric_limits<float>::infinity()) continue;
      const std::int64_t at = ((b * p_.heads_kv + h_kv) * l.blocks + c) * p_.dim;
      row_.score.push_back(p_.scale * dot(q, static_cast<const T*>(l.key) + at, p_.dim) + bias[c]);
      row_.value.push_back(static_cast<const T*>(l.value) + at);
    }
  }

  void attend(std::int64_t b, std::int64_t h, std::int64_t i) {
    const SequenceExtent e = sequence_extent(p_, b);
    gather(b, h, i, e);
    double maximum = p_.sink ? p_.sink[h] : kMinusInfinity;
    for (double s : row_.score) maximum = s > maximum || std::isnan(s) ? s : maximum;
    const bool empty = maximum == kMinusInfinity;
    double sum = p_.sink && !empty ? std::exp(p_.sink[h] - maximum) : 0.0, far = 0.0;
    std::vector<double> out(static_cast<std::size_t>(p_.dim), 0.0);
    for (std::size_t j = 0; j < row_.score.size() && !empty; ++j) {
      const double weight = std::exp(row_.score[j] - maximum);
      sum += weight;
      if (j >= row_.far_begin) far += weight;
      for (int d = 0; d < p_.dim; ++d) out[static_cast<std::size_t>(d)] += weight * float(row_.value[j][d]);
    }
    T* o = static_cast<T*>(p_.o) + row_offset(p_, p_.o_stride, b, h, e.begin_q) + i * p_.o_stride.seq;
    for (int d = 0; d < p_.dim; ++d) o[d] = T(static_cast<float>(empty ? 0.0 : out[static_cast<std::size_t>(d)] / sum));
    const std::int64_t at = lse_index(p_, b, h, e.begin_q, i);
    if (p_.lse) p_.lse[at] = static_cast<float>(empty ? kMinusInfinity : maximum + std::log(sum));
    if (p_.far_mass) p_.far_mass[at] = static_cast<float>(empty ? 0.0 : far / sum);
  }

  const AttentionParams& p_;
  const ElementRule& rule_;
  Row<T> row_;
};

}  // namespace

void attention(const AttentionParams& params, const ElementRule& rule) {
  dispatch_dtype(params.dtype, [&](auto t) { Reference<decltype(t)>(params, rule).run(); });
}

std::string refusal(const AttentionParams&) {
  return is_host_space<ExecSpace> ? "" : "it reads host memory and this build's tensors live on the device";
}

}  // namespace halftone::reference
