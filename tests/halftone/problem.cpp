#include "problem.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "support/random.hpp"

namespace halftone::testing {
namespace {

HostTensor random_for(const Case& c, int heads, const std::vector<std::int32_t>& lengths, std::uint64_t stream) {
  const std::int64_t total = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
  const std::int64_t batch = c.packed ? 1 : static_cast<std::int64_t>(lengths.size());
  return random_tensor(c.dtype, {batch, heads, c.packed ? total : lengths[0], c.dim}, stream);
}

std::vector<std::int32_t> starts_of(const std::vector<std::int32_t>& lengths) {
  std::vector<std::int32_t> starts{0};
  for (const std::int32_t length : lengths) starts.push_back(starts.back() + length);
  return starts;
}

Array<std::int32_t> to_device_array(const std::vector<std::int32_t>& values) {
  Array<std::int32_t> view("starts", values.size());
  const auto host = Kokkos::create_mirror_view(view);
  std::copy(values.begin(), values.end(), host.data());
  Kokkos::deep_copy(view, host);
  return view;
}

}  // namespace

std::vector<Case> all_cases() {
  using patterns::Aggregation;
  std::vector<Case> cases;
  const auto add = [&](Case c) { cases.push_back(c); };
  add({.name = "one_query", .len_q = {1}, .len_k = {1}});
  add({.name = "less_than_a_block", .len_q = {63}, .len_k = {63}});
  add({.name = "ragged", .len_q = {200}, .len_k = {200}});
  add({.name = "grouped", .heads_q = 4, .heads_kv = 2, .dim = 80, .len_q = {700}, .len_k = {700}});
  add({.name = "one_group", .heads_q = 4, .heads_kv = 1, .dim = 128, .len_q = {700}, .len_k = {700}});
  add({.name = "not_causal", .dim = 80, .causal = false, .len_q = {700}, .len_k = {700}});
  add({.name = "not_causal_ragged", .causal = false, .len_q = {63}, .len_k = {200}});
  add({.name = "more_keys", .len_q = {200}, .len_k = {700}});
  add({.name = "more_keys_off_grid", .len_q = {130}, .len_k = {193}});
  add({.name = "more_queries", .len_q = {300}, .len_k = {170}});
  add({.name = "not_causal_more_queries", .causal = false, .len_q = {700}, .len_k = {170}});
  add({.name = "batch", .heads_kv = 2, .len_q = {200, 200, 200}, .len_k = {200, 200, 200}});
  add({.name = "packed", .heads_q = 4, .heads_kv = 2, .len_q = {200, 1, 700}, .len_k = {200, 1, 700}, .packed = true});
  add({.name = "packed_different",
       .causal = false,
       .len_q = {64, 0, 300, 130},
       .len_k = {200, 5, 129, 640},
       .packed = true});
  add({.name = "packed_groups_of_three",
       .heads_q = 6,
       .heads_kv = 2,
       .len_q = {300, 65},
       .len_k = {190, 400},
       .packed = true});
  add({.name = "packed_without_keys", .len_q = {100, 70, 200}, .len_k = {100, 0, 200}, .packed = true});
  add({.name = "odd_dim", .dim = 37, .len_q = {300}, .len_k = {300}});
  add({.name = "float16", .dtype = DType::float16, .dim = 128, .len_q = {700}, .len_k = {700}});
  add({.name = "bfloat16", .dtype = DType::bfloat16, .dim = 128, .len_q = {700}, .len_k = {700}});
  add({.name = "wide_blocks", .len_q = {1500}, .len_k = {1500}, .block_k = 128});
  add({.name = "many_panels", .heads_q = 1, .len_q = {2500}, .len_k = {2500}});
  for (const int b : {4, 16, 32, 64})
    add({.name = "micro_" + std::to_string(b),
         .len_q = {500},
         .len_k = {500},
         .options = {.micro_block = b, .representatives = 32}});
  for (const int r : {1, 2, 128})
    add({.name = "representatives_" + std::to_string(r),
         .len_q = {500},
         .len_k = {500},
         .options = {.representatives = r}});
  add({.name = "sum", .len_q = {500}, .len_k = {500}, .options = {.block_mass = patterns::BlockMass::sum}});
  add({.name = "sum_ragged",
       .heads_q = 4,
       .heads_kv = 2,
       .len_q = {700},
       .len_k = {713},
       .options = {.micro_block = 16, .block_mass = patterns::BlockMass::sum}});
  add({.name = "max", .len_q = {500}, .len_k = {500}, .options = {.aggregation = Aggregation::max}});
  add({.name = "mean", .len_q = {500}, .len_k = {500}, .options = {.aggregation = Aggregation::mean}});
  return cases;
}

Problem::Problem(const Case& c, std::uint64_t stream)
    : Problem(c, random_for(c, c.heads_q, c.len_q, 3 * stream), random_for(c, c.heads_kv, c.len_k, 3 * stream + 1),
              random_for(c, c.heads_kv, c.len_k, 3 * stream + 2)) {}

Problem::Problem(const Case& the_case, const HostTensor& q_, const HostTensor& k_, const HostTensor& v_)
    : c(the_case),
      host_q(q_),
      host_k(k_),
      host_v(v_),
      q(to_device(q_)),
      k(to_device(k_)),
      v(to_device(v_)),
      begin_q(starts_of(c.len_q)),
      begin_k(starts_of(c.len_k)) {
  geometry.batch = batch();
  geometry.heads = c.heads_q;
  geometry.seq_q = *std::max_element(c.len_q.begin(), c.len_q.end());
  geometry.seq_k = *std::max_element(c.len_k.begin(), c.len_k.end());
  geometry.block_k = c.block_k;
  geometry.causal = c.causal;
  if (c.packed) {
    starts_q = to_device_array(begin_q);
    starts_k = to_device_array(begin_k);
    geometry.cu_seqlens_q = starts_q.data();
    geometry.cu_seqlens_k = starts_k.data();
  }
}

double Problem::scale() const { return static_cast<double>(1.0f / std::sqrt(static_cast<float>(c.dim))); }

double Problem::element(const HostTensor& tensor, int b, int head, int row, int column) const {
  const bool queries = tensor.data() == host_q.data();
  const std::int64_t batch = c.packed ? 0 : b, first = c.packed ? (queries ? begin_q : begin_k)[b] : 0;
  const std::int64_t index =
      ((batch * tensor.shape[1] + head) * tensor.shape[2] + first + row) * tensor.shape[3] + column;
  return dispatch_dtype(tensor.dtype, [&](auto type) {
    return static_cast<double>(static_cast<float>(static_cast<const decltype(type)*>(tensor.data())[index]));
  });
}

bool Problem::visible(int b, int tile, int block) const {
  for (int i = tile * geometry.block_q; i < (tile + 1) * geometry.block_q && i < c.len_q[b]; ++i)
    for (int j = block * c.block_k; j < (block + 1) * c.block_k && j < c.len_k[b]; ++j)
      if (!c.causal || j <= i + c.len_k[b] - c.len_q[b]) return true;
  return false;
}

bool Problem::past(int b, int tile, int block) const {
  const int first = tile * geometry.block_q, last_key = (block + 1) * c.block_k - 1;
  if (first >= c.len_q[b] || last_key >= c.len_k[b]) return false;
  return !c.causal || last_key <= first + c.len_k[b] - c.len_q[b];
}

bool Problem::forced(int b, int tile, int block) const {
  if (!visible(b, tile, block)) return false;
  if (block < c.options.sink_blocks) return true;
  for (int i = tile * geometry.block_q; i < (tile + 1) * geometry.block_q && i < c.len_q[b]; ++i) {
    const int position = i + c.len_k[b] - c.len_q[b];
    const int own = static_cast<int>(std::floor(static_cast<double>(position) / c.block_k));
    if (c.causal && position < 0) continue;
    if (std::abs(block - own) <= c.options.local_blocks) return true;
  }
  return false;
}

std::int64_t Problem::visible_blocks() const {
  std::int64_t count = 0;
  for (int b = 0; b < batch(); ++b)
    for (int t = 0; t < tiles(); ++t)
      for (int block = 0; block < blocks(); ++block) count += visible(b, t, block);
  return count * c.heads_q;
}

std::int64_t Problem::forced_blocks() const {
  std::int64_t count = 0;
  for (int b = 0; b < batch(); ++b)
    for (int t = 0; t < tiles(); ++t)
      for (int block = 0; block < blocks(); ++block) count += forced(b, t, block);
  return count * c.heads_q;
}

double round_to_bfloat16(double x) {
  if (x == 0.0) return 0.0;
  const double ulp = std::exp2(std::floor(std::log2(std::abs(x))) - 7);  // eight significant bits
  return std::nearbyint(x / ulp) * ulp;
}

int variance_group(int j, int dim) {
  const int half = (dim + 1) / 2, width = (half + kNaiveGroups - 1) / kNaiveGroups;
  return j % half / width;
}

double naive_log_mass(double count, double mean, double variance) {
  return std::log(count) + mean + std::min(variance / 2.0, variance / 4.0 + std::log(count));
}

NaiveScores naive_scores(const Problem& p) {
  const int dim = p.c.dim, reps = p.c.options.representatives, run = p.geometry.block_q / reps;
  NaiveScores result;
  result.score.assign(p.at(p.batch() - 1, p.c.heads_q - 1, p.tiles() - 1, p.blocks() - 1) + 1, 0.0);
  for (int b = 0; b < p.batch(); ++b)
    for (int h = 0; h < p.c.heads_q; ++h)
      for (int t = 0; t < p.tiles(); ++t) {
        std::vector<std::vector<double>> shares;  // per representative
        for (int r = 0; r < reps; ++r) {
          const int first_query = t * p.geometry.block_q + r * run;
          if (first_query >= p.c.len_q[b]) continue;
          const int middle = std::min(first_query + run / 2, p.c.len_q[b] - 1);
          std::vector<double> query(dim), square(dim);  // square: of the dimension's group
          for (int j = 0; j < dim; ++j) query[j] = round_to_bfloat16(p.element(p.host_q, b, h, middle, j));
          for (int j = 0; j < dim; ++j) {
            for (int i = 0; i < dim; ++i)
              if (variance_group(i, dim) == variance_group(j, dim)) square[j] += query[i] * query[i];
            square[j] = p.scale() * p.scale() * round_to_bfloat16(square[j]);
          }

          std::vector<double> mass(p.blocks(), 0.0);
          for (int block = 0; block < p.blocks(); ++block) {
            if (!p.visible(b, t, block)) continue;
            const int end = std::min((block + 1) * p.c.block_k, p.c.len_k[b]);
            for (int first = block * p.c.block_k; first < end; first += p.c.options.micro_block) {
              const int last = std::min(first + p.c.options.micro_block, end), count = last - first;
              double logit = 0.0, variance = 0.0, magnitude = std::log(count);
              std::vector<double> spreads(kNaiveGroups, 0.0), sizes(kNaiveGroups, 0.0), squares(kNaiveGroups, 0.0);
              for (int j = 0; j < dim; ++j) {
                double mean = 0.0, spread = 0.0;
                for (int i = first; i < last; ++i)
                  mean += p.element(p.host_k, b, h / (p.c.heads_q / p.c.heads_kv), i, j) / count;
                if (p.c.options.moments == 0) mean = p.element(p.host_k, b, h / (p.c.heads_q / p.c.heads_kv), first, j);
                for (int i = first; i < last && p.c.options.moments == 2; ++i) {
                  const double d = p.element(p.host_k, b, h / (p.c.heads_q / p.c.heads_kv), i, j) - mean;
                  spread += d * d / count;
                }
                const double term = p.scale() * query[j] * round_to_bfloat16(mean);
                logit += term;
                magnitude += std::abs(term);
                result.largest_term = std::max(result.largest_term, std::abs(term));
                const int group = variance_group(j, dim);
                spreads[group] += spread;
                sizes[group] += 1.0;
                squares[group] = square[j];
              }
              for (int group = 0; group < kNaiveGroups; ++group) {
                if (sizes[group] == 0.0) continue;
                const double term = squares[group] * round_to_bfloat16(spreads[group] / sizes[group]);
                variance += term;
                magnitude += term;
                result.largest_term = std::max(result.largest_term, term);
              }
              const double micro_mass = std::exp(naive_log_mass(count, logit, variance));
              mass[block] = p.c.options.block_mass == patterns::BlockMass::sum ? mass[block] + micro_mass
                                                                               : std::max(mass[block], micro_mass);
              result.magnitude = std::max(result.magnitude, magnitude);
            }
          }
          const double sum = std::accumulate(mass.begin(), mass.end(), 0.0);
          for (double& m : mass) m /= sum > 0.0 ? sum : 1.0;
          shares.push_back(mass);
        }
        for (int block = 0; block < p.blocks(); ++block) {
          double squares = 0.0, top = 0.0, sum = 0.0;
          for (const auto& share : shares) {
            squares += share[block] * share[block];
            top = std::max(top, share[block]);
            sum += share[block];
          }
          if (shares.empty()) continue;
          const double n = static_cast<double>(shares.size());
          result.score[p.at(b, h, t, block)] = p.c.options.aggregation == patterns::Aggregation::rms
                                                   ? std::sqrt(squares / n)
                                               : p.c.options.aggregation == patterns::Aggregation::max ? top
                                                                                                       : sum / n;
        }
      }
  return result;
}

std::vector<float> landmark_biases(const Problem& p, const BlockMask& mask, const std::vector<bool>& gate) {
  const std::vector<bool> kept = kept_blocks(p, mask);
  std::vector<float> bias(kept.size(), -std::numeric_limits<float>::infinity());
  for (int b = 0; b < p.batch(); ++b)
    for (int h = 0; h < p.c.heads_q; ++h)
      for (int t = 0; t < p.tiles(); ++t)
        for (int block = 0; block < p.blocks(); ++block)
          if (const std::size_t at = p.at(b, h, t, block); gate[h] && p.past(b, t, block) && !kept[at])
            bias[at] = std::log(static_cast<float>(p.c.block_k));
  return bias;
}

std::vector<bool> kept_blocks(const Problem& p, const BlockMask& device_mask) {
  const HostBlockMask mask = to_host(device_mask);
  std::vector<bool> kept(p.geometry.rows() * p.blocks());
  for (int b = 0; b < p.batch(); ++b)
    for (int h = 0; h < p.c.heads_q; ++h)
      for (int t = 0; t < p.tiles(); ++t) {
        const std::int64_t row = (std::int64_t{b} * mask.heads + h / (p.c.heads_q / mask.heads)) * mask.tiles + t;
        for (std::int64_t e = mask.row_ptr(row); e < mask.row_ptr(row + 1); ++e)
          kept[p.at(b, h, t, mask.col_idx(e))] = true;
      }
  return kept;
}

}  // namespace halftone::testing
