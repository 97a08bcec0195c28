// Every message of a refused request.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "geometries.hpp"
#include "halftone/core/error.hpp"
#include "halftone/patterns/pattern.hpp"
#include "support/messages.hpp"
#include "support/random.hpp"

namespace halftone::testing {
namespace {

using nlohmann::json;

patterns::PatternRequest request_for(const TestGeometry& test) {
  patterns::PatternRequest request;
  request.geometry = test.geometry;
  return request;
}

patterns::PatternRequest good_request() { return request_for(padded("", true, {1000, 1000}, 128, 64)); }

std::string refusal(const char* pattern, const patterns::PatternRequest& request, const char* parameters = "{}") {
  return message_of<InvalidArgument>([&] { patterns::make_mask(pattern, request, json::parse(parameters)); });
}

TEST(PatternRejects, UnknownPattern) {
  EXPECT_EQ(refusal("locla", good_request()),
            "pattern: got locla, expected one of dense, causal, local, dilated, strided, fixed, hierarchical, "
            "longformer, landmark, landmark_adaptive, bigbird, random, mean_topk, minmax, antidiagonal, "
            "vertical_slash, lsh, routing, halftone, union, intersection, per_head");
}

TEST(PatternRejects, Density) {
  patterns::PatternRequest request = good_request();
  for (const auto& [density, got] : {std::pair(2.0, "2"), {-0.1, "-0.1"}, {std::nan(""), "nan"}}) {
    request.density = density;
    EXPECT_EQ(refusal("local", request),
              std::string("density: got ") + got + ", expected a number in (0, 1], or 0 to leave it to the parameters");
  }
  request.density = 0.5;
  EXPECT_EQ(refusal("dense", request), "density: got 0.5, expected 1.0000, the only one pattern dense has here");
  EXPECT_EQ(refusal("local", request, R"({"window": 3})"),
            "parameter window of pattern local: got 3, expected no value beside a density, which decides it");
  EXPECT_EQ(refusal("fixed", request, R"({"summary": 1})"),
            "parameter summary of pattern fixed: got 1, expected no value beside a density, which decides it");
  EXPECT_EQ(refusal("bigbird", request, R"({"random": 1})"),
            "parameter random of pattern bigbird: got 1, expected no value beside a density, which decides it");
}

TEST(PatternRejects, Parameters) {
  const patterns::PatternRequest request = good_request();
  EXPECT_EQ(refusal("local", request, "[1]"), "parameters of pattern local: got [1], expected a JSON object");
  EXPECT_EQ(refusal("local", request, R"({"windows": 3})"),
            "parameter of pattern local: got windows, expected one of granularity, window, sink_blocks");
  EXPECT_EQ(refusal("dense", request, R"({"window": 3})"), "parameter of pattern dense: got window, expected none");
  for (const char* bad : {R"("3")", "true", "0.5", "-2", "null", "[3]", "1e300"})
    EXPECT_EQ(refusal("local", request, (R"({"window": )" + std::string(bad) + "}").c_str()),
              "parameter window of pattern local: got " + json::parse(bad).dump() +
                  ", expected a number from 1 to 2147483647");
  for (const char* bad : {R"("3")", "true", "1.5", "-1", "null", "[3]", "1e300"})
    EXPECT_EQ(refusal("local", request, (R"({"sink_blocks": )" + std::string(bad) + "}").c_str()),
              "parameter sink_blocks of pattern local: got " + json::parse(bad).dump() +
                  ", expected a whole number of at least 0");
  EXPECT_EQ(refusal("strided", request, R"({"stride": 0})"),
            "parameter stride of pattern strided: got 0, expected a whole number of at least 1");
  EXPECT_EQ(refusal("fixed", request, R"({"granularity": "blocks"})"),
            "parameter granularity of pattern fixed: got \"blocks\", expected one of block, element");
  EXPECT_EQ(refusal("fixed", request, R"({"granularity": 1})"),
            "parameter granularity of pattern fixed: got 1, expected one of block, element");
  for (const char* bad : {"-1", "1.5", R"("a")"})
    EXPECT_EQ(refusal("bigbird", request, (R"({"seed": )" + std::string(bad) + "}").c_str()),
              "parameter seed of pattern bigbird: got " + json::parse(bad).dump() +
                  ", expected a whole number from 0 to 2^64 - 1");
}

TEST(PatternRejects, ContentPatterns) {
  patterns::PatternRequest request = good_request();
  for (const char* pattern : {"landmark_adaptive", "minmax", "antidiagonal", "vertical_slash", "lsh", "routing"})
    EXPECT_EQ(refusal(pattern, request),
              "activations of pattern " + std::string(pattern) + ": got none, expected queries and keys");
  const Tensor x = to_device(random_tensor(DType::float32, {1, 2, 1000, 8}, 1));
  request.q = request.k = &x;
  EXPECT_EQ(refusal("minmax", request, R"({"representatives": 5})"),
            "parameter representatives of pattern minmax: got 5, expected a divisor of block_q");
  for (const char* bad : {"3", "128"})  // 128 divides block_q only
    EXPECT_EQ(refusal("antidiagonal", request, (R"({"stride": )" + std::string(bad) + "}").c_str()),
              "parameter stride of pattern antidiagonal: got " + std::string(bad) +
                  ", expected a divisor of block_q and block_k");
  EXPECT_EQ(refusal("antidiagonal", request, R"({"share_of": "rows"})"),
            "parameter share_of of pattern antidiagonal: got \"rows\", expected one of mass, blocks");
  EXPECT_EQ(refusal("random", request, R"({"share": -0.5})"),
            "parameter share of pattern random: got -0.5, expected a number from 0 to 1");
  EXPECT_EQ(refusal("vertical_slash", request, R"({"queries": 0})"),
            "parameter queries of pattern vertical_slash: got 0, expected a whole number of at least 1");
  EXPECT_EQ(refusal("vertical_slash", request, R"({"slash": -1})"),
            "parameter slash of pattern vertical_slash: got -1, expected a number from 0 to 2147483647");
  EXPECT_EQ(refusal("landmark_adaptive", request, R"({"stride": 0})"),
            "parameter stride of pattern landmark_adaptive: got 0, expected a whole number of at least 1");
  EXPECT_EQ(refusal("lsh", request, R"({"buckets": 7})"),
            "parameter buckets of pattern lsh: got 7, expected an even number");
  EXPECT_EQ(refusal("lsh", request, R"({"rounds": 0})"),
            "parameter rounds of pattern lsh: got 0, expected a whole number of at least 1");
  for (const char* bad : {"1", R"("true")", "null"})
    EXPECT_EQ(refusal("halftone", request, (R"({"shared_lists": )" + std::string(bad) + "}").c_str()),
              "parameter shared_lists of pattern halftone: got " + std::string(bad) + ", expected true or false");
  EXPECT_EQ(refusal("routing", request, R"({"clusters": 0})"),
            "parameter clusters of pattern routing: got 0, expected a whole number of at least 1");
  EXPECT_EQ(refusal("routing", request, R"({"iterations": 0.5})"),
            "parameter iterations of pattern routing: got 0.5, expected a whole number of at least 0");
  request.density = 0.5;
  EXPECT_EQ(refusal("vertical_slash", request, R"({"vertical": 2, "slash": 3})"),
            "parameter slash of pattern vertical_slash: got 3, expected no value beside a density, which decides it");
  EXPECT_EQ(refusal("random", request, R"({"share": 0.5})"),
            "parameter share of pattern random: got 0.5, expected no value beside a density, which decides it");
}

TEST(PatternRejects, Compositions) {
  patterns::PatternRequest request = good_request();
  const std::string list = R"(, expected a list of objects like {"name": "local", "window": 4})";
  EXPECT_EQ(refusal("union", request, R"({"patterns": []})"), "parameter patterns of pattern union: got []" + list);
  EXPECT_EQ(refusal("union", request, R"({"patterns": "local"})"),
            "parameter patterns of pattern union: got \"local\"" + list);
  EXPECT_EQ(refusal("intersection", request, R"({"patterns": [{"window": 3}]})"),
            "parameter patterns of pattern intersection: got {\"window\":3}" + list);
  EXPECT_EQ(
      refusal("union", request, R"({"patterns": [{"name": "local", "density": 0}]})"),
      "parameter patterns of pattern union: got {\"density\":0,\"name\":\"local\"}, expected a density in (0, 1]");
  EXPECT_EQ(refusal("union", request, R"({"patterns": [{"name": "local", "windows": 4}]})"),
            "parameter of pattern local: got windows, expected one of granularity, window, sink_blocks");
  EXPECT_EQ(refusal("union", request, R"({"patterns": [{"name": "local", "density": 0.001}]})").substr(0, 39),
            "density: got 0.001, expected 0.3194 to ");
  EXPECT_EQ(refusal("union", request, R"({"patterns": [{"name": "mean_topk"}]})"),
            "activations of pattern mean_topk: got none, expected queries and keys");
  for (const char* heads : {R"([0])", R"([0,2])", R"([0,-1])", R"([0,0.5])", R"("round")", R"(1)"})
    EXPECT_EQ(refusal("per_head", request, (R"({"heads": )" + std::string(heads) + "}").c_str()),
              "parameter heads of pattern per_head: got " + std::string(heads) +
                  ", expected cyclic, or 2 numbers from 0 to 1");
  request.density = 0.5;
  EXPECT_EQ(
      refusal("union", request, R"({"patterns": [{"name": "local", "window": 1, "sink_blocks": 0}]})").substr(0, 25),
      "density: got 0.5, expecte");
}

TEST(PatternRejects, Geometry) {
  const auto with = [](auto change) {
    patterns::PatternRequest request = good_request();
    change(request.geometry);
    return refusal("local", request);
  };
  EXPECT_EQ(with([](MaskGeometry& g) { g.batch = 0; }),
            "mask geometry: got batch 0, heads 2, expected positive numbers");
  EXPECT_EQ(with([](MaskGeometry& g) { g.heads = -1; }),
            "mask geometry: got batch 1, heads -1, expected positive numbers");
  EXPECT_EQ(with([](MaskGeometry& g) { g.seq_q = 0; }), "query length: got 0, expected at least 1");
  EXPECT_EQ(with([](MaskGeometry& g) { g.seq_k = 0; }), "key length: got 0, expected at least 1");
  EXPECT_EQ(with([](MaskGeometry& g) { g.block_q = 0; }),
            "mask blocks: got 0 x 64, expected positive, block_k a multiple of 64");
  EXPECT_EQ(with([](MaskGeometry& g) { g.block_k = 96; }),
            "mask blocks: got 128 x 96, expected positive, block_k a multiple of 64");
}

TEST(PatternRejects, Packing) {
  TestGeometry test = packed("", true, {{130, 130}, {20, 77}}, 128, 64);
  patterns::PatternRequest request = request_for(test);
  request.geometry.cu_seqlens_k = nullptr;
  EXPECT_EQ(refusal("local", request), "cu_seqlens: got one of two, expected both for queries and keys, or neither");
  request = request_for(test);
  request.geometry.seq_q = 129;
  EXPECT_EQ(refusal("local", request), "cu_seqlens_q[1]: got 130, expected 0 to 129, for sequences of at most 129");
  const Array<std::int32_t> falling = device_starts({0, 130, 100}), negative = device_starts({-1, 130, 207});
  request = request_for(test);
  request.geometry.cu_seqlens_k = falling.data();
  EXPECT_EQ(refusal("local", request), "cu_seqlens_k[2]: got 100, expected 130 to 260, for sequences of at most 130");
  request.geometry.cu_seqlens_k = negative.data();
  EXPECT_EQ(refusal("local", request), "cu_seqlens_k[0]: got -1, expected at least 0");
}

TEST(PatternRejects, Activations) {
  patterns::PatternRequest request = good_request();
  EXPECT_EQ(refusal("mean_topk", request), "activations of pattern mean_topk: got none, expected queries and keys");
  EXPECT_EQ(refusal("halftone", request), "activations of pattern halftone: got none, expected queries and keys");
  const auto tensor = [](HostTensor::Shape shape) { return to_device(random_tensor(DType::float32, shape, 1)); };
  const Tensor q = tensor({1, 2, 1000, 8}), k = tensor({1, 1, 1000, 8});
  const Tensor short_q = tensor({1, 2, 999, 8}), one_head = tensor({1, 1, 1000, 8}), three = tensor({1, 3, 1000, 8});
  const Tensor other_dim = tensor({1, 1, 1000, 16});
  request.q = &short_q;
  request.k = &k;
  EXPECT_EQ(refusal("mean_topk", request), "queries: got [1, 2, 999, 8], expected [1, 2, 1000, head dim]");
  request.q = &one_head;
  EXPECT_EQ(refusal("mean_topk", request), "queries: got [1, 1, 1000, 8], expected [1, 2, 1000, head dim]");
  request.q = &q;
  request.k = &three;
  EXPECT_EQ(refusal("mean_topk", request), "keys: got [1, 3, 1000, 8], expected [1, a divisor of 2, 1000, 8]");
  request.k = &other_dim;
  EXPECT_EQ(refusal("mean_topk", request), "keys: got [1, 1, 1000, 16], expected [1, a divisor of 2, 1000, 8]");
  request.k = &k;
  EXPECT_EQ(refusal("mean_topk", request, R"({"representatives": 3})"),
            "parameter representatives of pattern mean_topk: got 3, expected a divisor of block_q");
  EXPECT_EQ(refusal("mean_topk", request, R"({"share": 1.5})"),
            "parameter share of pattern mean_topk: got 1.5, expected a number from 0 to 1");

  const TestGeometry test = packed("", true, {{600, 600}, {500, 500}}, 128, 64);
  request = request_for(test);
  request.q = &q;
  request.k = &k;
  EXPECT_EQ(refusal("mean_topk", request), "queries: got [1, 2, 1000, 8], expected [1, 2, 1100, head dim]");
}

}  // namespace
}  // namespace halftone::testing
