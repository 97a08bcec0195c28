// Chosen blocks and estimates against the attention written out.
#include "halftone/eval/quality/selector_quality.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "halftone/eval/quality/sparse_run.hpp"
#include "halftone/kernels/attention.hpp"
#include "support/random.hpp"

namespace halftone::eval {
namespace {

using halftone::testing::random_tensor;

constexpr int kHeads = 4, kGroup = 2, kSeq = 700, kDim = 20;

struct SelectorQuality : ::testing::Test {
  // Logits of some spread; bfloat16, so that no statistic rounds what a query or a key is.
  HostTensor host_q = random_tensor(DType::bfloat16, {1, kHeads, kSeq, kDim}, 3, 1.5f),
             host_k = random_tensor(DType::bfloat16, {1, kHeads / kGroup, kSeq, kDim}, 4, 1.5f);
  Tensor q = to_device(host_q), k = to_device(host_k);
  MaskGeometry geometry = causal_geometry(q);
  patterns::HalftoneLayer layer{&q, &k, nullptr, 0.0f, {}, {}};

  double logit(int head, int query, int key) const {
    const auto queries = host_q.view<bfloat16>(), keys = host_k.view<bfloat16>();
    double sum = 0.0;
    for (int i = 0; i < kDim; ++i)
      sum += double(float(queries(0, head, query, i))) * double(float(keys(0, head / kGroup, key, i)));
    return sum / std::sqrt(double(kDim));
  }
};

TEST_F(SelectorQuality, RecallOfTheOracle) {
  const AttentionResult dense = block_sparse_attention(q, k, k);
  patterns::HalftoneOptions options{.sink_blocks = 0, .local_blocks = 0, .density = 0.5};
  for (const auto& [control, shared_lists] : {std::pair{patterns::Control::none, false},
                                              {patterns::Control::none, true},
                                              {patterns::Control::random_scores, false}}) {
    options.control = control;
    options.shared_lists = shared_lists;
    const BlockMask mask = patterns::select_halftone({&layer, 1}, geometry, options).layers[0].mask;
    const HostBlockMask host = to_host(mask);
    const std::vector<double> recall = oracle_recall(mask, q, k, dense.lse, geometry);
    ASSERT_EQ(recall.size(), static_cast<std::size_t>(kHeads));
    for (int head = 0; head < kHeads; ++head) {
      int found = 0, all = 0;
      for (int tile = 0; tile < 6; ++tile) {
        std::vector<double> mass(11, 0.0);
        for (int query = tile * 128; query < std::min(kSeq, (tile + 1) * 128); ++query) {
          double sum = 0.0;
          std::vector<double> of_query(11, 0.0);
          for (int key = 0; key <= query; ++key) {
            of_query[key / 64] += std::exp(logit(head, query, key));
            sum += std::exp(logit(head, query, key));
          }
          for (int block = 0; block < 11; ++block) mass[block] += of_query[block] / sum;
        }
        const std::int64_t row = (shared_lists ? head / kGroup : head) * 6 + tile;
        const int kept = static_cast<int>(host.row_ptr(row + 1) - host.row_ptr(row));
        std::vector<std::pair<double, int>> order;
        for (int block = 0; block < 11; ++block) order.push_back({-mass[block], block});
        std::sort(order.begin(), order.end());
        for (int i = 0; i < kept; ++i)
          for (std::int64_t e = host.row_ptr(row); e < host.row_ptr(row + 1); ++e)
            found += host.col_idx(e) == order[i].second;
        all += kept;
      }
      EXPECT_NEAR(recall[head], double(found) / all, 1e-12) << head;
      EXPECT_LT(recall[head], 1.0) << "the case must leave something to find";
    }
  }
}

TEST_F(SelectorQuality, ExactLogMassesHaveNoError) {
  const auto errors = log_mass_errors(
      layer, geometry, {.micro_block = 1, .representatives = 32, .block_mass = patterns::BlockMass::sum});
  ASSERT_EQ(errors.size(), static_cast<std::size_t>(kHeads));
  for (const LogMassError& error : errors) {
    EXPECT_EQ(error.bias, 0.0);
    EXPECT_EQ(error.rmse, 0.0);
  }
}

TEST_F(SelectorQuality, ErrorsOfTheLogMass) {
  // First moments of whole blocks: the mean logit of a block and ln 64 against the log of the sum of exponentials.
  const auto errors = log_mass_errors(layer, geometry, {.micro_block = 64, .representatives = 8, .moments = 1});
  for (int head = 0; head < kHeads; ++head) {
    double sum = 0.0, squares = 0.0;
    int count = 0;
    for (int tile = 0; tile < 6; ++tile)
      for (int run = 0; run < 8; ++run) {
        const int query = std::min(tile * 128 + run * 16 + 8, kSeq - 1);
        if (tile * 128 + run * 16 >= kSeq) continue;
        for (int block = 0; (block + 1) * 64 - 1 <= tile * 128; ++block, ++count) {
          double mean = 0.0, mass = 0.0;
          for (int key = block * 64; key < (block + 1) * 64; ++key) {
            mean += logit(head, query, key) / 64;
            mass += std::exp(logit(head, query, key));
          }
          const double error = mean + std::log(64.0) - std::log(mass);
          sum += error;
          squares += error * error;
        }
      }
    EXPECT_LT(sum, 0.0);                                // Jensen
    EXPECT_NEAR(errors[head].bias, sum / count, 2e-3);  // bfloat16 rounds the mean keys
    EXPECT_NEAR(errors[head].rmse, std::sqrt(squares / count), 2e-3);
  }
}

TEST_F(SelectorQuality, Entropy) {
  const std::vector<double> entropy = attention_entropy(q, k);
  ASSERT_EQ(entropy.size(), static_cast<std::size_t>(kHeads));
  for (int head = 0; head < kHeads; ++head) {
    double mean = 0.0;
    for (int query = 0; query < kSeq; ++query) {
      double sum = 0.0, weighted = 0.0;
      for (int key = 0; key <= query; ++key) {
        sum += std::exp(logit(head, query, key));
        weighted += std::exp(logit(head, query, key)) * logit(head, query, key);
      }
      mean += (std::log(sum) - weighted / sum) / kSeq;
    }
    EXPECT_NEAR(entropy[head], mean, 0.02);
  }
}

}  // namespace
}  // namespace halftone::eval
