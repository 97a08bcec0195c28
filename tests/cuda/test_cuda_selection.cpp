// The selection on the device against the one on the host, on the same inputs.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>

#include "halftone/core/error.hpp"
#include "halftone/cuda_specialized/common/check.hpp"
#include "halftone/cuda_specialized/selection/plan.hpp"
#include "halftone/patterns/halftone/landmarks.hpp"
#include "halftone/patterns/halftone/selection.hpp"
#include "halftone/problem.hpp"
#include "support/messages.hpp"
#include "support/random.hpp"

namespace halftone {
namespace {

using namespace cuda::selection;
using patterns::Aggregation;
using patterns::HalftoneOptions;
using patterns::HalftoneResult;
using testing::Case;
using testing::Problem;

// How far a score on the device may lie from the host's: the device holds shares as bfloat16 (2^-9), and in a few of a
// logit's terms an input may round to the other neighbour.
constexpr double kBand = 0.01;

class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(const DeviceMemory&) = delete;
  ~DeviceMemory() {
    for (void* block : blocks_) cudaFree(block);
  }
  void* allocate(std::size_t bytes) {
    void* block = nullptr;
    HALFTONE_CUDA_CHECK(cudaMalloc(&block, std::max<std::size_t>(bytes, 1)));
    HALFTONE_CUDA_CHECK(cudaMemset(block, 0xff, bytes));  // NaN as floats: what is not written shows
    blocks_.push_back(block);
    return block;
  }
  template <class T>
  T* upload(const T* host, std::size_t count) {
    void* block = allocate(count * sizeof(T));
    HALFTONE_CUDA_CHECK(cudaMemcpy(block, host, count * sizeof(T), cudaMemcpyHostToDevice));
    return static_cast<T*>(block);
  }
  template <class T>
  static std::vector<T> download(const T* device, std::size_t count) {
    std::vector<T> host(count);
    HALFTONE_CUDA_CHECK(cudaMemcpy(host.data(), device, count * sizeof(T), cudaMemcpyDeviceToHost));
    return host;
  }

 private:
  std::vector<void*> blocks_;
};

struct Weights {
  std::vector<float> head_weight;
  std::vector<bool> gate;
};

// A problem on the device.
class DeviceProblem {
 public:
  DeviceProblem(const Problem& p, const HalftoneOptions& o, const Weights& weights = {}) : problem_(p) {
    params.q = upload(p.host_q);
    params.k = upload(p.host_k);
    params.v = upload(p.host_v);
    params.q_stride = p.host_q.strides();
    params.k_stride = params.v_stride = p.host_k.strides();
    params.batch = p.batch();
    params.heads_q = p.c.heads_q;
    params.heads_kv = p.c.heads_kv;
    params.dim = p.c.dim;
    params.seq_q = p.geometry.seq_q;
    params.seq_k = p.geometry.seq_k;
    params.scale = static_cast<float>(p.scale());
    params.dtype = p.c.dtype;
    params.causal = p.c.causal;
    if (p.c.packed) {
      params.cu_seqlens_q = memory_.upload(p.begin_q.data(), p.begin_q.size());
      params.cu_seqlens_k = memory_.upload(p.begin_k.data(), p.begin_k.size());
      params.total_q = p.begin_q.back();
      params.total_k = p.begin_k.back();
    }
    options.micro_block = o.micro_block;
    options.representatives = o.representatives;
    options.aggregation = o.aggregation;
    options.block_mass = o.block_mass;
    options.sink_blocks = o.sink_blocks;
    options.local_blocks = o.local_blocks;
    options.block_k = p.c.block_k;
    options.tolerance = o.tolerance;
    options.density = o.density;
    options.landmarks = o.landmarks;
    if (!weights.head_weight.empty())
      options.head_weight = memory_.upload(weights.head_weight.data(), weights.head_weight.size());
    if (!weights.gate.empty()) {
      const std::vector<std::uint8_t> gate(weights.gate.begin(), weights.gate.end());
      options.gate = memory_.upload(gate.data(), gate.size());
    }
  }

  void* workspace() {
    if (!workspace_) workspace_ = memory_.allocate(workspace_bytes(params, options));
    return workspace_;
  }
  Selection run(cudaStream_t stream = nullptr) {
    validate(params, options);
    EXPECT_EQ(refusal(params, options), "");
    const Selection selection = select(params, options, workspace(), stream);
    HALFTONE_CUDA_CHECK(cudaStreamSynchronize(stream));
    return selection;
  }
  Plan plan() {
    int multiprocessors = 0;
    HALFTONE_CUDA_CHECK(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, 0));
    return make_plan(params, options, workspace(), multiprocessors, nullptr);
  }
  /// [batch, heads_q, tiles, blocks], after a run without landmarks.
  std::vector<float> priorities() {
    return DeviceMemory::download(plan().priorities,
                                  static_cast<std::size_t>(problem_.geometry.rows() * problem_.blocks()));
  }

  AttentionParams params;
  SelectionOptions options;

 private:
  const void* upload(const HostTensor& t) {
    return memory_.upload(static_cast<const std::byte*>(t.data()),
                          static_cast<std::size_t>(t.size()) * size_of(t.dtype));
  }

  const Problem& problem_;
  DeviceMemory memory_;
  void* workspace_ = nullptr;
};

struct Lists {
  std::vector<std::int64_t> row_ptr;
  std::vector<std::int32_t> col_idx;
  std::vector<std::uint8_t> kind;
  SelectionOutcome outcome;

  explicit Lists(const Selection& s) {
    const std::size_t rows = static_cast<std::size_t>(s.mask.batch) * s.mask.heads * s.mask.tiles;
    row_ptr = DeviceMemory::download(s.mask.row_ptr, rows + 1);
    col_idx = DeviceMemory::download(s.mask.col_idx, static_cast<std::size_t>(row_ptr.back()));
    kind = DeviceMemory::download(s.mask.kind, static_cast<std::size_t>(row_ptr.back()));
    outcome = DeviceMemory::download(s.outcome, 1)[0];
  }
  bool operator==(const Lists& o) const {
    return row_ptr == o.row_ptr && col_idx == o.col_idx && kind == o.kind &&
           std::memcmp(&outcome, &o.outcome, sizeof outcome) == 0;
  }
};

patterns::HalftoneLayer layer_of(const Problem& p, const Weights& weights = {}) {
  patterns::HalftoneLayer layer = p.layer();
  layer.head_weight = weights.head_weight;
  layer.gate = weights.gate;
  return layer;
}

// The host's scores times the head's weight.
std::vector<float> host_priorities(const Problem& p, const HalftoneOptions& options, const Weights& weights = {}) {
  std::vector<float> scores = testing::to_vector(patterns::halftone_scores(layer_of(p, weights), p.geometry, options));
  const std::size_t per_head = static_cast<std::size_t>(p.tiles()) * p.blocks();
  if (!weights.head_weight.empty())
    for (std::size_t i = 0; i < scores.size(); ++i) scores[i] *= weights.head_weight[i / per_head % p.c.heads_q];
  return scores;
}

bool within(double score, double other) { return std::abs(score - other) <= kBand * std::max(score, other); }

// Lists are well formed, and agree with the host's but for blocks whose score lies in the band around the tolerance.
void expect_same_selection(const Problem& p, const HalftoneOptions& options, const Weights& weights = {}) {
  DeviceProblem device(p, options, weights);
  const Lists lists(device.run());
  const patterns::HalftoneLayer layer = layer_of(p, weights);
  const HalftoneResult host = patterns::select_halftone({&layer, 1}, p.geometry, options);
  const std::vector<bool> host_kept = testing::kept_blocks(p, host.layers[0].mask);
  const std::vector<float> priority = host_priorities(p, options, weights);

  Problem forced_by = p;
  forced_by.c.options = options;
  EXPECT_EQ(lists.outcome.visible, p.visible_blocks());
  EXPECT_EQ(lists.outcome.forced, forced_by.forced_blocks());
  EXPECT_EQ(lists.outcome.kept, lists.row_ptr.back());
  EXPECT_EQ(lists.outcome.not_finite, 0u);
  if (host.tolerance < 0.0)
    EXPECT_EQ(lists.outcome.tolerance, -1.0f);
  else
    EXPECT_TRUE(within(lists.outcome.tolerance, host.tolerance)) << lists.outcome.tolerance << ", " << host.tolerance;

  ASSERT_EQ(lists.row_ptr.size(), static_cast<std::size_t>(p.geometry.rows()) + 1);
  ASSERT_EQ(lists.row_ptr.front(), 0);
  MaskGeometry host_geometry = p.geometry;
  if (p.c.packed) {
    host_geometry.cu_seqlens_q = p.begin_q.data();
    host_geometry.cu_seqlens_k = p.begin_k.data();
  }
  std::vector<bool> kept(host_kept.size());
  for (int b = 0; b < p.batch(); ++b)
    for (int h = 0; h < p.c.heads_q; ++h)
      for (int t = 0; t < p.tiles(); ++t) {
        const std::size_t row = (static_cast<std::size_t>(b) * p.c.heads_q + h) * p.tiles() + t;
        ASSERT_LE(lists.row_ptr[row], lists.row_ptr[row + 1]);
        for (std::int64_t e = lists.row_ptr[row]; e < lists.row_ptr[row + 1]; ++e) {
          const int block = lists.col_idx[e];
          if (e > lists.row_ptr[row]) {
            ASSERT_LT(lists.col_idx[e - 1], block);
          }
          ASSERT_TRUE(p.visible(b, t, block)) << "tile " << t << " block " << block;
          ASSERT_EQ(lists.kind[e], host_geometry.edge_kind(b, t, block)) << "tile " << t << " block " << block;
          kept[p.at(b, h, t, block)] = true;
        }
        for (int block = 0; block < p.blocks(); ++block) {
          const std::size_t at = p.at(b, h, t, block);
          if (kept[at] == host_kept[at]) continue;
          ASSERT_FALSE(forced_by.forced(b, t, block)) << "a forced block is missing";
          ASSERT_TRUE(within(priority[at], host.tolerance))
              << "head " << h << " tile " << t << " block " << block << ": score " << priority[at] << ", tolerance "
              << host.tolerance << ", kept by the " << (kept[at] ? "device" : "host") << " alone";
        }
      }
}

// The cases that the device serves, in 16-bit elements.
std::vector<Case> device_cases() {
  std::vector<Case> cases;
  for (Case c : testing::all_cases()) {
    if (c.dtype == DType::float32) c.dtype = DType::bfloat16;
    c.dim = (c.dim + 7) / 8 * 8;
    if (c.options.representatives <= 64 && c.block_k / c.options.micro_block <= 16) cases.push_back(c);
  }
  cases.push_back({.name = "group_of_four",
                   .dtype = DType::bfloat16,
                   .heads_q = 8,
                   .heads_kv = 2,
                   .dim = 128,
                   .len_q = {1800},
                   .len_k = {1800}});
  cases.push_back({.name = "group_of_three",
                   .dtype = DType::bfloat16,
                   .heads_q = 6,
                   .heads_kv = 2,
                   .dim = 64,
                   .len_q = {1500},
                   .len_k = {1500},
                   .options = {.micro_block = 16, .representatives = 32}});
  cases.push_back({.name = "many_queries_per_row",
                   .dtype = DType::bfloat16,
                   .dim = 64,
                   .len_q = {1500},
                   .len_k = {1500},
                   .options = {.micro_block = 16, .representatives = 64}});
  cases.push_back({.name = "many_chunks",
                   .dtype = DType::bfloat16,
                   .heads_q = 4,
                   .heads_kv = 1,
                   .dim = 128,
                   .len_q = {600},
                   .len_k = {9001},
                   .options = {.micro_block = 8}});
  cases.push_back({.name = "long_rows_beside_short_ones",  // in one item: ten copies, and one
                   .dtype = DType::bfloat16,
                   .heads_q = 2,
                   .heads_kv = 1,
                   .dim = 128,
                   .len_q = {5000},
                   .len_k = {5000},
                   .options = {.micro_block = 4, .representatives = 8}});
  cases.push_back({.name = "more_items_than_multiprocessors",
                   .dtype = DType::bfloat16,
                   .heads_q = 20,
                   .heads_kv = 20,
                   .dim = 64,
                   .len_q = {1800},
                   .len_k = {1800},
                   .options = {.representatives = 64}});
  cases.push_back({.name = "more_items_of_long_rows",
                   .dtype = DType::bfloat16,
                   .heads_q = 6,
                   .heads_kv = 6,
                   .dim = 64,
                   .len_q = {6000},
                   .len_k = {17000},
                   .options = {.micro_block = 64, .representatives = 64}});
  cases.push_back({.name = "rows_of_many_words",
                   .dtype = DType::bfloat16,
                   .heads_q = 2,
                   .heads_kv = 1,
                   .dim = 64,
                   .len_q = {200},
                   .len_k = {66100},
                   .options = {.micro_block = 64, .representatives = 8}});
  cases.push_back({.name = "float16_small_dim",
                   .dtype = DType::float16,
                   .dim = 64,
                   .causal = false,
                   .len_q = {900},
                   .len_k = {1100},
                   .options = {.micro_block = 64, .representatives = 8}});
  return cases;
}

class CudaSelection : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    int devices = 0;
    const bool found = cudaGetDeviceCount(&devices) == cudaSuccess && devices > 0;
    cudaGetLastError();
    if (!found) GTEST_SKIP() << "no CUDA device";
  }
};

TEST_P(CudaSelection, ScoresMatchTheHosts) {
  const Problem p(GetParam());
  HalftoneOptions options = p.c.options;
  options.tolerance = 0.01;
  DeviceProblem device(p, options);
  device.run();
  const std::vector<float> got = device.priorities(), expected = host_priorities(p, options);
  for (int b = 0; b < p.batch(); ++b)
    for (int h = 0; h < p.c.heads_q; ++h)
      for (int t = 0; t < p.tiles(); ++t)
        for (int block = 0; block < p.blocks(); ++block) {
          const std::size_t at = p.at(b, h, t, block);
          if (p.forced(b, t, block)) {
            ASSERT_EQ(got[at], std::numeric_limits<float>::infinity());
          } else if (p.visible(b, t, block)) {
            ASSERT_TRUE(within(got[at], expected[at]))
                << "head " << h << " tile " << t << " block " << block << ": " << got[at] << ", not " << expected[at];
          }
        }
}

TEST_P(CudaSelection, KeepsWhatTheHostKeepsAtATolerance) {
  const Problem p(GetParam());
  for (const double tolerance : {0.3, 0.02, 0.003}) {
    HalftoneOptions options = p.c.options;
    options.tolerance = tolerance;
    expect_same_selection(p, options);
  }
}

// What the near field needs.
double least_density(const Problem& p, const HalftoneOptions& options) {
  Problem near = p;
  near.c.options = options;
  return static_cast<double>(near.forced_blocks()) / static_cast<double>(p.visible_blocks());
}

TEST_P(CudaSelection, KeepsWhatTheHostKeepsForABudget) {
  const Problem p(GetParam());
  HalftoneOptions options = p.c.options;
  options.sink_blocks = options.local_blocks = 0;
  for (const double density : {0.3, 0.5, 0.8, 1.0}) {
    options.density = std::max(density, least_density(p, options));
    expect_same_selection(p, options);
  }
}

TEST_P(CudaSelection, MeetsABudgetExactly) {
  const Problem p(GetParam());
  HalftoneOptions options = p.c.options;
  options.density = 1.0;
  DeviceProblem all(p, options);
  const SelectionOutcome everything = Lists(all.run()).outcome;
  EXPECT_EQ(everything.kept, everything.visible);

  // From the device's own scores: so many exceed the tolerance, and it is the largest one that is left out.
  options.density = 0.5 * (1.0 + static_cast<double>(everything.forced) / static_cast<double>(everything.visible));
  DeviceProblem device(p, options);
  const SelectionOutcome half = Lists(device.run()).outcome;
  const auto budget = static_cast<std::int64_t>(options.density * static_cast<double>(half.visible) * (1.0 + 1e-12));
  std::vector<float> competing;
  const std::vector<float> priorities = device.priorities();
  for (int b = 0; b < p.batch(); ++b)
    for (int h = 0; h < p.c.heads_q; ++h)
      for (int t = 0; t < p.tiles(); ++t)
        for (int block = 0; block < p.blocks(); ++block)
          if (p.visible(b, t, block) && !p.forced(b, t, block)) competing.push_back(priorities[p.at(b, h, t, block)]);
  std::sort(competing.rbegin(), competing.rend());
  const std::size_t rank = static_cast<std::size_t>(budget - half.forced);
  EXPECT_LE(half.kept, budget);
  const float tolerance = rank < competing.size() ? competing[rank] : -1.0f;
  EXPECT_EQ(half.tolerance, tolerance);
  EXPECT_EQ(half.kept - half.forced,
            std::count_if(competing.begin(), competing.end(), [&](float x) { return x > tolerance; }));
}

TEST_P(CudaSelection, IsTheSameEveryTimeAlsoInAGraph) {
  const Problem p(GetParam());
  HalftoneOptions options = p.c.options;
  options.density = 0.5 * (1.0 + least_density(p, options));
  DeviceProblem device(p, options);
  const Lists first(device.run());
  EXPECT_EQ(Lists(device.run()), first);

  cudaStream_t stream = nullptr;
  HALFTONE_CUDA_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t instance = nullptr;
  HALFTONE_CUDA_CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  const Selection captured = select(device.params, device.options, device.workspace(), stream);
  HALFTONE_CUDA_CHECK(cudaStreamEndCapture(stream, &graph));
  HALFTONE_CUDA_CHECK(cudaGraphInstantiate(&instance, graph, 0));
  for (int replay = 0; replay < 3; ++replay) {
    HALFTONE_CUDA_CHECK(cudaGraphLaunch(instance, stream));
    HALFTONE_CUDA_CHECK(cudaStreamSynchronize(stream));
    EXPECT_EQ(Lists(captured), first) << "replay " << replay;
  }
  cudaGraphExecDestroy(instance);
  cudaGraphDestroy(graph);
  cudaStreamDestroy(stream);
}

TEST_P(CudaSelection, RunsBesideAnotherOfItsKind) {
  // Thread blocks of the lists wait for one another: calls that share the multiprocessors must not wait for ever.
  const Problem p(GetParam());
  HalftoneOptions options = p.c.options;
  options.density = 0.5 * (1.0 + least_density(p, options));
  DeviceProblem alone(p, options);
  const Lists expected(alone.run());
  DeviceProblem problems[] = {{p, options}, {p, options}, {p, options}};
  cudaStream_t streams[std::size(problems)];
  Selection selections[std::size(problems)];
  for (cudaStream_t& stream : streams) HALFTONE_CUDA_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  for (DeviceProblem& problem : problems) problem.workspace();
  HALFTONE_CUDA_CHECK(cudaDeviceSynchronize());
  for (int repetition = 0; repetition < 10; ++repetition)
    for (std::size_t i = 0; i < std::size(problems); ++i)
      selections[i] = select(problems[i].params, problems[i].options, problems[i].workspace(), streams[i]);
  HALFTONE_CUDA_CHECK(cudaDeviceSynchronize());
  for (const Selection& selection : selections) EXPECT_EQ(Lists(selection), expected);
  for (cudaStream_t stream : streams) cudaStreamDestroy(stream);
}

TEST_P(CudaSelection, WeighsHeads) {
  const Problem p(GetParam());
  Weights weights;
  for (int h = 0; h < p.c.heads_q; ++h) weights.head_weight.push_back(0.25f + 1.5f * static_cast<float>(h % 3));
  HalftoneOptions options = p.c.options;
  options.tolerance = 0.01;
  expect_same_selection(p, options, weights);
}

TEST_P(CudaSelection, LandmarksAreTheHosts) {
  const Problem p(GetParam());
  Weights weights;
  for (int h = 0; h < p.c.heads_q; ++h) weights.gate.push_back(h % 2 == 0);
  HalftoneOptions options = p.c.options;
  options.tolerance = 0.02;
  options.landmarks = true;
  DeviceProblem device(p, options, weights);
  const Selection selection = device.run();
  const Lists lists(selection);
  ASSERT_EQ(selection.landmarks.blocks, p.blocks());
  ASSERT_EQ(selection.landmarks.tiles, p.tiles());
  const auto bias =
      DeviceMemory::download(selection.landmarks.bias, static_cast<std::size_t>(p.geometry.rows() * p.blocks()));
  std::vector<bool> kept(bias.size());
  for (std::size_t row = 0; row + 1 < lists.row_ptr.size(); ++row)
    for (std::int64_t e = lists.row_ptr[row]; e < lists.row_ptr[row + 1]; ++e)
      kept[row * p.blocks() + lists.col_idx[e]] = true;
  const float log_block = std::log(static_cast<float>(p.c.block_k));
  for (int b = 0; b < p.batch(); ++b)
    for (int h = 0; h < p.c.heads_q; ++h)
      for (int t = 0; t < p.tiles(); ++t)
        for (int block = 0; block < p.blocks(); ++block) {
          const std::size_t at = p.at(b, h, t, block);
          const bool stands_in = weights.gate[h] && p.past(b, t, block) && !kept[at];
          if (stands_in)
            ASSERT_NEAR(bias[at], log_block, 1e-6);
          else
            ASSERT_EQ(bias[at], -std::numeric_limits<float>::infinity());
        }
  const std::pair<const HostTensor*, const void*> means[] = {{&p.host_k, selection.landmarks.key},
                                                             {&p.host_v, selection.landmarks.value}};
  for (const auto& [tensor, device_means] : means) {
    const auto got = DeviceMemory::download(static_cast<const std::uint16_t*>(device_means),
                                            static_cast<std::size_t>(p.batch()) * p.c.heads_kv * p.blocks() * p.c.dim);
    std::size_t i = 0;
    for (int b = 0; b < p.batch(); ++b)
      for (int h = 0; h < p.c.heads_kv; ++h)
        for (int block = 0; block < p.blocks(); ++block)
          for (int j = 0; j < p.c.dim; ++j, ++i) {
            const int begin = block * p.c.block_k, end = std::min(begin + p.c.block_k, p.c.len_k[b]);
            double mean = 0.0;
            for (int k = begin; k < end; ++k) mean += p.element(*tensor, b, h, k, j) / (end - begin);
            const float value = p.c.dtype == DType::bfloat16 ? static_cast<float>(std::bit_cast<bfloat16>(got[i]))
                                                             : static_cast<float>(std::bit_cast<float16>(got[i]));
            ASSERT_NEAR(value, mean, std::abs(mean) * 0x1p-8 + 1e-6) << "block " << block << " dim " << j;
          }
  }
}

INSTANTIATE_TEST_SUITE_P(Halftone, CudaSelection, ::testing::ValuesIn(device_cases()),
                         [](const auto& info) { return info.param.name; });

class CudaSelectionOf : public CudaSelection {};
INSTANTIATE_TEST_SUITE_P(
    Halftone, CudaSelectionOf,
    ::testing::Values(Case{
        .name = "long", .dtype = DType::bfloat16, .heads_q = 2, .dim = 64, .len_q = {5000}, .len_k = {5000}}),
    [](const auto& info) { return info.param.name; });

class CudaSelectionOfManyRows : public CudaSelection {};
INSTANTIATE_TEST_SUITE_P(Halftone, CudaSelectionOfManyRows,
                         ::testing::Values(Case{.name = "short",
                                                .dtype = DType::bfloat16,
                                                .heads_q = 64,
                                                .dim = 8,
                                                .causal = false,
                                                .len_q = {70400},
                                                .len_k = {300},
                                                .options = {.representatives = 1}}),
                         [](const auto& info) { return info.param.name; });

TEST_P(CudaSelectionOfManyRows, KeepsWhatTheHostKeeps) {
  // 35,200 rows: the scan goes over 2,200 thread blocks, more than run at once.
  const Problem p(GetParam());
  HalftoneOptions options = p.c.options;
  options.sink_blocks = options.local_blocks = 0;
  options.density = std::max(0.5, least_density(p, options));
  expect_same_selection(p, options);
}

HostTensor filled(const Tensor::Shape& shape, float value) {
  HostTensor t("filled", DType::bfloat16, shape);
  for (std::int64_t i = 0; i < t.size(); ++i) static_cast<bfloat16*>(t.data())[i] = bfloat16(value);
  return t;
}

TEST_P(CudaSelectionOf, MovesTheReferencePointOfItsExponentials) {
  // Log-masses that rise by hundreds from one end of the keys to the other, where the first product sees only the
  // least: exponentials relative to that would overflow.
  const Problem random(GetParam());
  const HostTensor q = filled(random.host_q.shape, 2.0f);
  HostTensor k = filled(random.host_k.shape, 0.0f);
  for (int i = 0; i < 5000; ++i)
    for (int j = 0; j < 64; ++j)
      static_cast<bfloat16*>(k.data())[i * 64 + j] = bfloat16(
          0.005f * static_cast<float>(i) + static_cast<float>(random.element(random.host_k, 0, 0, i, j)) * 0.1f);
  const Problem p(random.c, q, k, random.host_v);
  HalftoneOptions options = p.c.options;
  options.tolerance = 0.001;
  expect_same_selection(p, options);
}

TEST_P(CudaSelectionOf, CountsScoresThatAreNotFinite) {
  const Problem random(GetParam());
  HostTensor k = filled(random.host_k.shape, 0.5f);
  static_cast<bfloat16*>(k.data())[70 * 64] = bfloat16(std::numeric_limits<float>::quiet_NaN());
  const Problem p(random.c, random.host_q, k, random.host_v);
  HalftoneOptions options = p.c.options;
  options.tolerance = 0.5;
  DeviceProblem device(p, options);
  const Lists lists(device.run());
  EXPECT_GT(lists.outcome.not_finite, 0u);
  EXPECT_EQ(lists.outcome.kept, lists.outcome.forced);
}

TEST_P(CudaSelectionOf, ForcesMoreBlocksThanThereAre) {
  const Problem p(GetParam());
  constexpr std::int32_t kMost = std::numeric_limits<std::int32_t>::max();
  for (const auto& [sinks, locals] : {std::pair{0, kMost}, {kMost, 0}, {kMost, kMost}}) {
    HalftoneOptions options = p.c.options;
    options.tolerance = 1e30;
    options.sink_blocks = sinks;
    options.local_blocks = locals;
    DeviceProblem device(p, options);
    const Lists lists(device.run());
    EXPECT_EQ(lists.outcome.visible, p.visible_blocks());
    EXPECT_EQ(lists.outcome.forced, p.visible_blocks());
    EXPECT_EQ(lists.outcome.kept, p.visible_blocks());
  }
}

TEST_P(CudaSelectionOf, ReadsRowsByTheirStrides) {
  const Problem p(GetParam());
  HalftoneOptions options = p.c.options;
  options.density = 0.2;
  DeviceProblem plain(p, options), strided(p, options);
  // [seq, heads, dim] with a gap between rows.
  DeviceMemory memory;
  const auto interleave = [&](const HostTensor& t, TensorStrides& stride) {
    const std::int64_t heads = t.shape[1], seq = t.shape[2], dim = t.shape[3], row = heads * dim + 8;
    std::vector<std::uint16_t> data(static_cast<std::size_t>(seq * row), 0x7fff);
    for (std::int64_t h = 0; h < heads; ++h)
      for (std::int64_t i = 0; i < seq; ++i)
        std::memcpy(&data[i * row + h * dim], static_cast<const std::uint16_t*>(t.data()) + (h * seq + i) * dim,
                    dim * 2);
    stride = {seq * row, dim, row};
    return memory.upload(data.data(), data.size());
  };
  strided.params.q = interleave(p.host_q, strided.params.q_stride);
  strided.params.k = interleave(p.host_k, strided.params.k_stride);
  EXPECT_EQ(Lists(strided.run()), Lists(plain.run()));
}

TEST_P(CudaSelectionOf, WritesNothingPastItsWorkspace) {
  const Problem p(GetParam());
  HalftoneOptions options = p.c.options;
  options.density = 1.0;
  options.landmarks = true;
  DeviceProblem device(p, options);
  const std::size_t bytes = workspace_bytes(device.params, device.options), guard = 4096;
  DeviceMemory memory;
  auto* workspace = static_cast<std::uint8_t*>(memory.allocate(bytes + guard));
  select(device.params, device.options, workspace, nullptr);
  HALFTONE_CUDA_CHECK(cudaDeviceSynchronize());
  EXPECT_EQ(DeviceMemory::download(workspace + bytes, guard), std::vector<std::uint8_t>(guard, 0xff));
}

// PTX ISA, "swizzling modes": bits of the byte address are exchanged by exclusive or with those three places higher.
int swizzled(int address, int mask) { return address ^ (address >> 3 & mask); }

TEST(CudaSelectionOperands, LieAsTheTensorCoresReadThem) {
  for (const int rows : {64, 128})
    for (int row = 0; row < rows; ++row) {
      for (int piece = 0; piece < 16; ++piece)
        EXPECT_EQ(wide_offset(rows, row, piece), piece / 8 * rows * 128 + swizzled(row * 128 + piece % 8 * 16, 0x70));
      for (int piece = 0; piece < 2; ++piece)
        EXPECT_EQ(narrow_offset(row, piece), swizzled(row * 32 + piece * 16, 0x10));
    }
}

TEST(CudaSelectionOperands, GiveTheMicroBlocksOfABlockToOneThread) {
  for (const int log2_micros : {0, 1, 2, 3, 4}) {
    const int micros = 1 << log2_micros;
    std::vector<int> seen(kColumns, 0);
    for (int block = 0; block < kColumns / micros; ++block)
      for (int m = 0; m < micros; ++m) {
        const auto row = static_cast<int>(statistics_row(block, m, log2_micros));
        ++seen.at(row);
        // Accumulators: thread t of four holds columns 8 j + 2 t and 8 j + 2 t + 1.
        EXPECT_EQ(row % 8 / 2, (block * micros + m) % 64 / 16)
            << micros << " micro-blocks, block " << block << ", " << m;
        EXPECT_EQ(row / 64, (block * micros + m) / 64);
      }
    EXPECT_EQ(seen, std::vector<int>(kColumns, 1));
  }
}

TEST(CudaSelectionTiles, SeeWhatGeometryAndNearFieldSay) {
  for (const std::int32_t block_k : {64, 128})
    for (const bool causal : {false, true})
      for (const std::int64_t len_q : {0, 1, 127, 128, 129, 256, 1000})
        for (const std::int64_t len_k : {0, 1, 63, 64, 65, 128, 300, 1000, 5000})
          for (const std::int32_t near_blocks : {0, 1, 3, kMostLocalBlocks}) {
            MaskGeometry geometry;
            geometry.seq_q = len_q;
            geometry.seq_k = len_k;
            geometry.block_k = block_k;
            geometry.causal = causal;
            const patterns::detail::NearField near{geometry, near_blocks, near_blocks};
            const SequenceTiles tiles{static_cast<std::int32_t>(len_q),
                                      static_cast<std::int32_t>(len_k),
                                      block_k == 64 ? 6 : 7,
                                      near_blocks,
                                      near_blocks,
                                      causal};
            ASSERT_EQ(tiles.tiles(), geometry.tiles());
            for (std::int32_t tile = 0; tile < geometry.tiles() + 2; ++tile) {
              SCOPED_TRACE(::testing::Message() << "tile " << tile << " of " << len_q << " x " << len_k << ", causal "
                                                << causal << ", block_k " << block_k << ", near " << near_blocks);
              const std::int64_t queries = len_q - std::int64_t{tile} * kTileQueries;
              EXPECT_EQ(tiles.queries(tile), std::clamp<std::int64_t>(queries, 0, kTileQueries));
              EXPECT_EQ(tiles.visible(tile), geometry.visible_blocks(0, tile));
              EXPECT_EQ(tiles.past(tile), geometry.past_blocks(0, tile));
              EXPECT_EQ(tiles.whole(tile), geometry.whole_blocks(0, tile));
              const TileRange range = tiles.range(tile);
              const patterns::detail::TileBlocks blocks = near.blocks(0, tile);
              EXPECT_EQ(range.count_forced(), blocks.count_forced());
              for (std::int32_t block = 0; block < geometry.blocks() + 1; ++block)
                EXPECT_EQ(range.forced(block), blocks.forced(block)) << block;
            }
          }
}

TEST(CudaSelectionDivider, DividesAsTheProcessorDoes) {
  for (const std::uint32_t divisor : {1u, 2u, 3u, 7u, 64u, 127u, 128u, 1000003u, 0x40000001u, 0x7fffffffu, 0x80000000u})
    for (const std::uint32_t n : {0u, 1u, 2u, 126u, 127u, 128u, 129u, 1000002u, 2000006u, 0x3fffffffu, 0x40000000u,
                                  0x40000001u, 0x7ffffffeu, 0x7fffffffu})
      EXPECT_EQ(Divider(divisor).quotient(n), n / divisor) << n << " / " << divisor;
}

TEST(CudaSelectionRefusals, NameWhatIsWrong) {
  alignas(16) static std::uint16_t data[64];
  const auto base = [] {
    AttentionParams p;
    p.q = p.k = p.v = data;
    p.batch = p.heads_q = p.heads_kv = 1;
    p.seq_q = p.seq_k = 300;
    p.dim = 64;
    p.q_stride = p.k_stride = p.v_stride = {64 * 300, 64 * 300, 64};
    p.scale = 0.125f;
    p.dtype = DType::bfloat16;
    p.causal = true;
    return p;
  };
  AttentionParams p = base();
  p.dtype = DType::float32;
  EXPECT_EQ(refusal(p, {}), "float32 tensors; it takes float16 and bfloat16");
  p = base();
  p.dim = 136;
  EXPECT_EQ(refusal(p, {}), "head dim 136 is not a multiple of 8 up to 128");
  EXPECT_EQ(refusal(base(), {.representatives = 128}), "128 representatives; it takes 1, 2, 4, 8, 16, 32 and 64");
  EXPECT_EQ(refusal(base(), {.micro_block = 4, .block_k = 128}),
            "micro-blocks of 4 keys in blocks of 128; it takes up to 16 of them");
  EXPECT_EQ(refusal(base(), {.micro_block = 16, .block_k = 192}), "blocks of 192 keys; it takes 64 and 128");
  EXPECT_EQ(refusal(base(), {.shared_lists = true}), refusal(base(), {})) << "groups of one head";
  p = base();
  p.heads_q = 4;
  EXPECT_EQ(refusal(p, {.shared_lists = true}), "lists that 4 query heads share; it makes one for each of them");
  p = base();
  p.seq_q = p.seq_k = std::int64_t{1} << 25;
  EXPECT_EQ(refusal(p, {}), "137438953472 blocks of all rows; it counts up to 4294967295");
  p = base();
  p.heads_q = 16;
  p.seq_q = std::int64_t{1} << 28;
  p.seq_k = 64;
  EXPECT_EQ(refusal(p, {.representatives = 64}), "2147483648 representatives; it takes up to 2147483647");

  const auto message = [&](const SelectionOptions& options) {
    return testing::message_of<InvalidArgument>([&] { validate(base(), options); });
  };
  EXPECT_EQ(message({.micro_block = 5, .tolerance = 0.1}), "micro_block: got 5, expected 4, 8, 16, 32 or 64");
  EXPECT_EQ(message({.representatives = 3, .tolerance = 0.1}),
            "representatives: got 3, expected a divisor of block_q = 128");
  EXPECT_EQ(message({.sink_blocks = -1, .tolerance = 0.1}), "sink_blocks: got -1, expected at least 0");
  EXPECT_NE(message({}).find("exactly one of them"), std::string::npos);
  EXPECT_NE(message({.tolerance = 0.1, .density = 0.5}).find("exactly one of them"), std::string::npos);
  EXPECT_NE(message({.density = 1.5}).find("more than 0 and at most 1"), std::string::npos);
  // 300 tokens: tiles see 2, 4 and 5 blocks, all of them near but the second one of the last tile.
  EXPECT_EQ(message({.density = 0.1}),
            "density: got 0.100000, expected at least 0.818182, what the sink blocks, the diagonal and the local "
            "blocks need");
}

}  // namespace
}  // namespace halftone
