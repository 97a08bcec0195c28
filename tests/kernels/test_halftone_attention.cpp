// The one call: selection and attention together, what it reports, and what it refuses.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "halftone/core/error.hpp"
#include "halftone/kernels/halftone_attention.hpp"
#include "halftone/kernels/halftone_selection.hpp"
#include "support/messages.hpp"
#include "support/random.hpp"

namespace halftone {
namespace {

using patterns::HalftoneOptions;
using testing::message_of;
using testing::random_tensor;

const Tensor::Shape kQ{2, 4, 700, 32}, kKv{2, 2, 700, 32};

struct Inputs {
  Tensor q = to_device(random_tensor(DType::float32, kQ, 1, 3.0f));
  Tensor k = to_device(random_tensor(DType::float32, kKv, 2));
  Tensor v = to_device(random_tensor(DType::float32, kKv, 3));
};

template <class T>
std::vector<T> host_copy(const Array<T>& view) {
  const auto host = Kokkos::create_mirror_view_and_copy(HostSpace{}, view);
  return {host.data(), host.data() + host.extent(0)};
}
std::vector<float> values(const Tensor& tensor) {
  const HostTensor host = to_host(tensor);
  const auto* data = static_cast<const float*>(host.data());
  return {data, data + host.size()};
}

TEST(HalftoneAttention, IsSelectionThenAttention) {
  const Inputs in;
  HalftoneAttentionOptions options;
  options.pattern.density = 0.8;
  options.pattern.landmarks = true;
  options.head_weight = {1.0f, 0.5f, 2.0f, 1.0f};
  options.gate = {true, false, true, true};
  const HalftoneAttentionResult result = attention(in.q, in.k, in.v, options);

  MaskGeometry geometry;
  geometry.batch = 2;
  geometry.heads = 4;
  geometry.seq_q = geometry.seq_k = 700;
  const patterns::HalftoneLayer layer{&in.q, &in.k, &in.v, 0.0f, options.head_weight, options.gate};
  const patterns::HalftoneResult expected = patterns::select_halftone({&layer, 1}, geometry, options.pattern);
  EXPECT_EQ(host_copy(result.mask.row_ptr), host_copy(expected.layers[0].mask.row_ptr));
  EXPECT_EQ(host_copy(result.mask.col_idx), host_copy(expected.layers[0].mask.col_idx));
  EXPECT_EQ(result.tolerance, expected.tolerance);
  EXPECT_EQ(result.density, expected.density);
  EXPECT_NEAR(result.density, 0.8, 0.01);

  AttentionOptions attend;
  attend.mask = &expected.layers[0].mask;
  attend.landmarks = &*expected.layers[0].landmarks;
  const AttentionResult attended = block_sparse_attention(in.q, in.k, in.v, attend);
  EXPECT_EQ(values(result.attention.o), values(attended.o));
  EXPECT_EQ(host_copy(result.attention.lse), host_copy(attended.lse));
  EXPECT_EQ(host_copy(result.attention.far_mass), host_copy(attended.far_mass));
  EXPECT_EQ(result.attention.kernel, attended.kernel);
}

// The lists that groups share, repeated for each of their heads: the same attention.
BlockMask for_every_head(const BlockMask& device_mask, std::int32_t heads) {
  const HostBlockMask shared = to_host(device_mask);
  HostBlockMask mask = shared;
  mask.heads = heads;
  const std::int64_t rows = std::int64_t{mask.batch} * heads * mask.tiles, group = heads / shared.heads;
  mask.row_ptr = HostArray<std::int64_t>("row_ptr", rows + 1);
  mask.col_idx = HostArray<std::int32_t>("col_idx", shared.kept() * group);
  mask.kind = HostArray<std::uint8_t>("kind", shared.kept() * group);
  for (std::int64_t row = 0, to = 0; row < rows; ++row) {
    const std::int64_t list = row / mask.tiles / group * mask.tiles + row % mask.tiles;
    for (std::int64_t e = shared.row_ptr(list); e < shared.row_ptr(list + 1); ++e, ++to) {
      mask.col_idx(to) = shared.col_idx(e);
      mask.kind(to) = shared.kind(e);
    }
    mask.row_ptr(row + 1) = to;
  }
  return to_device(mask);
}

TEST(HalftoneAttention, SharesListsWithinGroups) {
  const Inputs in;
  HalftoneAttentionOptions options;
  options.pattern.density = 0.7;
  options.pattern.sink_blocks = options.pattern.local_blocks = 0;
  options.pattern.landmarks = true;
  options.pattern.shared_lists = true;
  options.head_weight = {1.0f, 0.5f, 2.0f, 1.0f};
  options.gate = {true, false, true, true};
  const HalftoneAttentionResult result = attention(in.q, in.k, in.v, options);
  ASSERT_EQ(result.mask.heads, 2);
  EXPECT_NEAR(result.density, 0.7, 0.01);
  EXPECT_EQ(result.selection, "kokkos");

  const BlockMask mask = for_every_head(result.mask, 4);
  ASSERT_NO_THROW(validate(to_host(mask)));
  AttentionOptions attend;
  attend.mask = &mask;
  attend.landmarks = &*result.landmarks;
  const AttentionResult expected = block_sparse_attention(in.q, in.k, in.v, attend);
  EXPECT_EQ(values(result.attention.o), values(expected.o));
  EXPECT_EQ(host_copy(result.attention.lse), host_copy(expected.lse));
  const std::vector<float> far = host_copy(result.attention.far_mass);
  EXPECT_EQ(far, host_copy(expected.far_mass));
  for (int head = 0; head < 4; ++head)
    EXPECT_EQ(*std::max_element(far.begin() + head * 700, far.begin() + (head + 1) * 700) > 0.0f, head != 1) << head;

  // Heads by themselves select otherwise.
  options.pattern.shared_lists = false;
  EXPECT_NE(host_copy(attention(in.q, in.k, in.v, options).mask.col_idx), host_copy(mask.col_idx));
}

TEST(HalftoneAttention, KeepsEverythingAtFullDensity) {
  const Inputs in;
  HalftoneAttentionOptions options;
  options.pattern.density = 1.0;
  const HalftoneAttentionResult result = attention(in.q, in.k, in.v, options);
  EXPECT_EQ(result.density, 1.0);
  const std::vector<float> got = values(result.attention.o);
  const std::vector<float> dense = values(block_sparse_attention(in.q, in.k, in.v).o);
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], dense[i], 1e-5);
}

TEST(HalftoneAttention, TakesPackedSequences) {
  const Tensor q = to_device(random_tensor(DType::float32, {1, 2, 900, 32}, 4)),
               k = to_device(random_tensor(DType::float32, {1, 1, 900, 32}, 5));
  const Array<std::int32_t> starts("starts", 3);
  const auto host = Kokkos::create_mirror_view(starts);
  host(0) = 0, host(1) = 250, host(2) = 900;
  Kokkos::deep_copy(starts, host);
  HalftoneAttentionOptions options;
  options.pattern.tolerance = 0.2;
  options.cu_seqlens_q = options.cu_seqlens_k = starts;
  const HalftoneAttentionResult result = attention(q, k, k, options);
  EXPECT_EQ(result.mask.batch, 2);
  EXPECT_EQ(result.mask.tiles, 6);  // of the longer one, 650 queries
  EXPECT_GT(result.density, 0.0);
  EXPECT_LT(result.density, 1.0);
}

TEST(HalftoneAttention, NamesTheSelectionThatRan) {
  const Inputs in;
  HalftoneAttentionOptions options;
  options.pattern.tolerance = 0.01;
  options.selection = "kokkos";
  EXPECT_EQ(attention(in.q, in.k, in.v, options).selection, "kokkos");

  options.selection = "fastest";
  EXPECT_EQ(message_of<InvalidArgument>([&] { attention(in.q, in.k, in.v, options); }),
            "selection: got fastest, expected auto, cuda, kokkos");
  if (!is_host_space<ExecSpace>) return;
  options.selection = "cuda";
  EXPECT_EQ(message_of<Unsupported>([&] { attention(in.q, in.k, in.v, options); }),
            "no selection serves the request: cuda: the tensors lie in host memory");
}

TEST(HalftoneAttention, RefusesWhatTheSelectionRefuses) {
  const Inputs in;
  HalftoneAttentionOptions options;
  EXPECT_EQ(message_of<InvalidArgument>([&] { attention(in.q, in.k, in.v, options); }),
            "tolerance and density: got 0 and 0, expected exactly one of them, the other 0");
  options.pattern.density = 0.5;
  options.head_weight = {1.0f};
  EXPECT_EQ(message_of<InvalidArgument>([&] { attention(in.q, in.k, in.v, options); }),
            "layer 0 head_weight: got 1 values, expected 4 or none");
}

}  // namespace
}  // namespace halftone
