// Every request that the halftone pattern refuses, and the message that says so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "halftone/core/error.hpp"
#include "halftone/patterns/halftone/halftone.hpp"
#include "problem.hpp"
#include "support/messages.hpp"

namespace halftone {
namespace {

using namespace patterns;
using testing::Case;
using testing::Problem;

const Case kCase{.name = "base", .heads_q = 4, .heads_kv = 2, .len_q = {300}, .len_k = {300}};
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// The message for a request that `spoil` has changed.
struct Request {
  Problem problem{kCase};
  MaskGeometry geometry = problem.geometry;
  HalftoneOptions options{.tolerance = 0.01};
  HalftoneLayer layer = problem.layer();
};

std::string message(const std::function<void(Request&)>& spoil) {
  Request request;
  spoil(request);
  return testing::message_of<InvalidArgument>([&] {
    select_halftone({&request.layer, 1}, request.geometry, request.options);
  });
}

Tensor shaped(Tensor::Shape shape, DType dtype = DType::float32) { return Tensor("shaped", dtype, shape); }

TEST(Rejections, TheUnspoiledRequestIsAccepted) {
  Request request;
  EXPECT_NO_THROW(select_halftone({&request.layer, 1}, request.geometry, request.options));
}

TEST(Rejections, Options) {
  for (const int b : {0, -16, 5, 128})
    EXPECT_EQ(message([b](Request& r) { r.options.micro_block = b; }),
              "micro_block: got " + std::to_string(b) + ", expected 1, 4, 8, 16, 32 or 64");
  for (const int reps : {0, -1, 3, 256})
    EXPECT_EQ(message([reps](Request& r) { r.options.representatives = reps; }),
              "representatives: got " + std::to_string(reps) + ", expected a divisor of block_q = 128");
  for (const int moments : {-1, 3})
    EXPECT_EQ(message([moments](Request& r) { r.options.moments = moments; }),
              "moments: got " + std::to_string(moments) + ", expected 0, 1 or 2");
  EXPECT_EQ(message([](Request& r) { r.options.sink_blocks = -1; }), "sink_blocks: got -1, expected at least 0");
  EXPECT_EQ(message([](Request& r) { r.options.local_blocks = -2; }), "local_blocks: got -2, expected at least 0");
}

TEST(Rejections, ToleranceAndDensity) {
  EXPECT_EQ(message([](Request& r) { r.options.tolerance = 0.0; }),
            "tolerance and density: got 0 and 0, expected exactly one of them, the other 0");
  EXPECT_EQ(message([](Request& r) { r.options.density = 0.5; }),
            "tolerance and density: got 0.01 and 0.5, expected exactly one of them, the other 0");
  for (const auto& [tolerance, text] : {std::pair{-0.5, "-0.5"}, {kNaN, "nan"}, {1e39, "1e+39"}})
    EXPECT_EQ(message([t = tolerance](Request& r) { r.options.tolerance = t; }),
              std::string("tolerance: got ") + text + ", expected a positive number that float32 holds");
  for (const auto& [density, text] : {std::pair{2.0, "2"}, {-0.1, "-0.1"}, {kNaN, "nan"}})
    EXPECT_EQ(message([d = density](Request& r) {
                r.options.tolerance = 0.0;
                r.options.density = d;
              }),
              std::string("density: got ") + text + ", expected more than 0 and at most 1");
}

TEST(Rejections, ATolerancePerPart) {
  EXPECT_EQ(message([](Request& r) { r.options.scope = ToleranceScope::head; }),
            "scope: got a part of the call beside a tolerance, expected the call, or a density");
}

TEST(Rejections, ADensityBelowTheNearField) {
  const Case c{.name = "budget", .heads_q = 1, .len_q = {8192}, .len_k = {8192}};
  const Problem p(c);
  const HalftoneLayer layer = p.layer();
  const auto select = [&](double density) { return select_halftone({&layer, 1}, p.geometry, {.density = density}); };
  // Of 64 * 65 visible blocks, tile t needs its own two and, beyond the first tile, the one before them and the first.
  const int needed = 2 + 63 * 4;
  EXPECT_EQ(
      testing::message_of<InvalidArgument>([&] { select(0.05); }),
      "density: got 0.05, expected at least 0.061058, what the sink blocks, the diagonal and the local blocks need");
  EXPECT_EQ(select(0.061058).layers[0].mask.kept(), needed);
  EXPECT_EQ(p.forced_blocks(), needed);
}

TEST(Rejections, Geometry) {
  EXPECT_EQ(message([](Request& r) { r.geometry.batch = 0; }),
            "geometry: got batch 0, heads 4, expected positive sizes");
  EXPECT_EQ(message([](Request& r) { r.geometry.seq_q = 0; }), "query length: got 0, expected at least 1");
  EXPECT_EQ(message([](Request& r) { r.geometry.seq_k = 0; }), "key length: got 0, expected at least 1");
  EXPECT_EQ(message([](Request& r) { r.geometry.block_q = 0; }), "block_q: got 0, expected a positive number");
  EXPECT_EQ(message([](Request& r) { r.geometry.block_k = 32; }), "block_k: got 32, expected a multiple of 64");
  const Array<std::int32_t> starts("starts", 2);
  EXPECT_EQ(message([&](Request& r) { r.geometry.cu_seqlens_q = starts.data(); }),
            "cu_seqlens: got one of two, expected both for queries and keys, or neither");
}

TEST(Rejections, NoLayers) {
  const Problem p(kCase);
  EXPECT_EQ(testing::message_of<InvalidArgument>([&] { select_halftone({}, p.geometry, {.tolerance = 0.1}); }),
            "layers: got none, expected at least one");
}

TEST(Rejections, Tensors) {
  EXPECT_EQ(message([](Request& r) { r.layer.q = nullptr; }), "layer 0 q: got a null pointer, expected a tensor");
  EXPECT_EQ(message([](Request& r) { r.layer.k = nullptr; }), "layer 0 k: got a null pointer, expected a tensor");
  EXPECT_EQ(message([](Request& r) {
              r.layer.v = nullptr;
              r.options.landmarks = true;
            }),
            "layer 0 v: got a null pointer, expected a tensor, which landmarks summarise");
  const Tensor short_q = shaped({1, 4, 299, 32}), other_dim = shaped({1, 2, 300, 64}), three = shaped({1, 3, 300, 32}),
               half = shaped({1, 2, 300, 32}, DType::float16), no_dim = shaped({1, 4, 300, 0});
  EXPECT_EQ(message([&](Request& r) { r.layer.q = &short_q; }),
            "layer 0 q shape: got [1, 4, 299, 32], expected [1, 4, 300, 32]");
  EXPECT_EQ(message([&](Request& r) { r.layer.k = &other_dim; }),
            "layer 0 k shape: got [1, 2, 300, 64], expected [1, 2, 300, 32]");
  EXPECT_EQ(message([&](Request& r) { r.layer.v = &other_dim; }),
            "layer 0 v shape: got [1, 2, 300, 64], expected [1, 2, 300, 32]");
  EXPECT_EQ(message([&](Request& r) { r.layer.k = &three; }),
            "layer 0 key-value heads: got 3, expected a divisor of the 4 query heads");
  EXPECT_EQ(message([&](Request& r) { r.layer.k = &half; }), "layer 0 k dtype: got float16, expected float32 as q");
  EXPECT_EQ(message([&](Request& r) { r.layer.v = &half; }), "layer 0 v dtype: got float16, expected float32 as q");
  EXPECT_EQ(message([&](Request& r) { r.layer.q = &no_dim; }), "layer 0 head dim: got 0, expected a positive number");
}

TEST(Rejections, PackedSequences) {
  const Case c{.name = "packed", .heads_q = 2, .heads_kv = 2, .len_q = {100, 200}, .len_k = {100, 200}, .packed = true};
  const Problem p(c);
  const HalftoneLayer layer = p.layer();
  const auto reject = [&](std::vector<std::int32_t> starts) {
    Array<std::int32_t> view("starts", starts.size());
    const auto host = Kokkos::create_mirror_view(view);
    std::copy(starts.begin(), starts.end(), host.data());
    Kokkos::deep_copy(view, host);
    MaskGeometry g = p.geometry;
    g.cu_seqlens_q = view.data();
    return testing::message_of<InvalidArgument>([&] { select_halftone({&layer, 1}, g, {.tolerance = 0.1}); });
  };
  EXPECT_EQ(reject({1, 100, 300}), "cu_seqlens_q[0]: got 1, expected 0");
  EXPECT_EQ(reject({0, 100, 301}),
            "cu_seqlens_q: length of sequence 1: got 201, expected 0 to 200, the geometry's length");
  EXPECT_EQ(reject({0, 100, 90}),
            "cu_seqlens_q: length of sequence 1: got -10, expected 0 to 200, the geometry's length");
  EXPECT_EQ(reject({0, 100, 250}), "layer 0 q shape: got [1, 2, 300, 32], expected [1, 2, 250, 32]");
}

TEST(Rejections, WeightsGatesAndScale) {
  EXPECT_EQ(message([](Request& r) { r.layer.head_weight = {1.0f}; }),
            "layer 0 head_weight: got 1 values, expected 4 or none");
  EXPECT_EQ(message([](Request& r) {
              r.layer.head_weight = {1.0f, -2.0f, 1.0f, 1.0f};
            }),
            "layer 0 head_weight[1]: got -2, expected a finite number that is not negative");
  EXPECT_EQ(message([](Request& r) {
              r.layer.head_weight = {1.0f, 1.0f, 1.0f, std::nanf("")};
            }),
            "layer 0 head_weight[3]: got nan, expected a finite number that is not negative");
  EXPECT_EQ(message([](Request& r) {
              r.layer.gate = {true, false};
            }),
            "layer 0 gate: got 2 values, expected 4 or none");
  EXPECT_EQ(message([](Request& r) { r.layer.scale = INFINITY; }), "layer 0 scale: got inf, expected a finite number");
}

TEST(Rejections, NumbersThatAreNotFinite) {
  for (const float bad : {std::nanf(""), INFINITY, 1e30f})
    for (const bool in_keys : {false, true}) {
      Request r;
      // The tensors of the problem's own copies; on a CPU to_device shares them with the host.
      const HostTensor q = testing::Problem(kCase, 5).host_q, k = testing::Problem(kCase, 6).host_k;
      static_cast<float*>((in_keys ? k : q).data())[4 * 32 + 13] = bad;  // query 4 stands for the first eight
      const Tensor device_q = to_device(q), device_k = to_device(k);
      r.layer.q = &device_q;
      r.layer.k = &device_k;
      const std::string text = testing::message_of<InvalidArgument>([&] {
        select_halftone({&r.layer, 1}, r.geometry, r.options);
      });
      EXPECT_THAT(text, ::testing::StartsWith("layer 0 q and k: got ")) << bad << " in keys: " << in_keys;
      EXPECT_THAT(text, ::testing::HasSubstr("block scores that are not finite, expected finite numbers"));
    }
}

TEST(Rejections, ScoresAloneNeedNoBudget) {
  const Problem p(kCase);
  EXPECT_NO_THROW(halftone_scores(p.layer(), p.geometry, {}));
  EXPECT_EQ(testing::message_of<InvalidArgument>([&] { halftone_scores(p.layer(), p.geometry, {.micro_block = 7}); }),
            "micro_block: got 7, expected 1, 4, 8, 16, 32 or 64");
  HalftoneLayer layer = p.layer();
  layer.k = nullptr;
  EXPECT_EQ(testing::message_of<InvalidArgument>([&] { halftone_scores(layer, p.geometry, {}); }),
            "layer k: got a null pointer, expected a tensor");
}

}  // namespace
}  // namespace halftone
