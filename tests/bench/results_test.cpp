// What the table of the GPU benchmark writes.
#include "bench/cuda/results.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "io/temporary_folder.hpp"

namespace halftone::bench {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::IsNan;

/// cuDNN's dense attention in 2 ms, and a kernel that keeps a tenth of the pairs in 1 ms.
std::vector<Measurement> two_rows() {
  Measurement dense;
  dense.shape = {DType::bfloat16, 64, 100, 2, 3, 1};
  dense.kernel = "cudnn";
  dense.pairs = 2 * 3 * 100 * 100;
  dense.samples = {3e-3, 1e-3, 2e-3};
  dense.best_dense = 2e-3;
  dense.error = 0.003;
  dense.baseline = "bhsd, engine 5";
  Measurement sparse = dense;
  sparse.kernel = "sm90";
  sparse.mask = "uneven";
  sparse.density = 0.1;
  sparse.pairs = 6000;
  sparse.samples = {0.5e-3, 1.5e-3};
  sparse.over_even = 1.1;
  sparse.error = 0.004;
  return {dense, sparse};
}

class BenchResults : public halftone::testing::FileTest {
 protected:
  BenchResults() {
    io::write_bench(path("t.h5"), bench_file(two_rows(), "a device"), halftone::testing::test_provenance());
    file = io::read_bench(path("t.h5"));
  }
  template <class T>
  std::vector<T> column(const char* name) const {
    return std::get<std::vector<T>>(file.table.column(name).values);
  }

  io::BenchFile file;
};

TEST_F(BenchResults, WhatWasMeasured) {
  EXPECT_THAT(column<std::string>("name"),
              ElementsAre("cudnn_dense/dtype:2/dim:64/causal:0/seq:100/heads:3/heads_kv:1",
                          "sm90_sparse/dtype:2/dim:64/causal:0/seq:100/heads:3/heads_kv:1/permille:100/mask:uneven"));
  EXPECT_THAT(column<std::string>("kernel"), ElementsAre("cudnn", "sm90"));
  EXPECT_THAT(column<std::string>("mask"), ElementsAre("dense", "uneven"));
  EXPECT_THAT(column<std::string>("dtype"), ElementsAre("bfloat16", "bfloat16"));
  EXPECT_THAT(column<std::string>("baseline"), ElementsAre("bhsd, engine 5", "bhsd, engine 5"));
  EXPECT_THAT(column<std::string>("device"), ElementsAre("a device", "a device"));
  EXPECT_THAT(column<std::int64_t>("dim"), ElementsAre(64, 64));
  EXPECT_THAT(column<std::int64_t>("causal"), ElementsAre(0, 0));
  EXPECT_THAT(column<std::int64_t>("seq"), ElementsAre(100, 100));
  EXPECT_THAT(column<std::int64_t>("batch"), ElementsAre(2, 2));
  EXPECT_THAT(column<std::int64_t>("heads"), ElementsAre(3, 3));
  EXPECT_THAT(column<std::int64_t>("heads_kv"), ElementsAre(1, 1));
}

TEST_F(BenchResults, Rates) {
  EXPECT_THAT(column<double>("density"), ElementsAre(1.0, 0.1));
  EXPECT_THAT(column<double>("seconds_median"), ElementsAre(DoubleNear(2e-3, 1e-12), DoubleNear(1e-3, 1e-12)));
  EXPECT_THAT(column<double>("tflops_kept"), ElementsAre(DoubleNear(0.00768, 1e-9), DoubleNear(0.001536, 1e-9)));
  EXPECT_THAT(column<double>("tflops_dense_equivalent"),
              ElementsAre(DoubleNear(0.00768, 1e-9), DoubleNear(0.01536, 1e-9)));
  EXPECT_THAT(column<double>("tokens_per_s"), ElementsAre(DoubleNear(1e5, 1e-3), DoubleNear(2e5, 1e-3)));
  EXPECT_THAT(column<double>("speedup"), ElementsAre(DoubleNear(1.0, 1e-9), DoubleNear(2.0, 1e-9)));
  EXPECT_THAT(column<double>("over_even"), ElementsAre(IsNan(), 1.1));
  EXPECT_THAT(column<double>("error"), ElementsAre(0.003, 0.004));
}

TEST_F(BenchResults, SamplesBesideTheRows) {
  EXPECT_THAT(file.samples, ElementsAre(ElementsAre(3e-3, 1e-3, 2e-3), ElementsAre(0.5e-3, 1.5e-3)));
}

}  // namespace
}  // namespace halftone::bench
