#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "halftone/core/error.hpp"
#include "halftone/core/io/file.hpp"
#include "halftone/core/io/mask_file.hpp"
#include "io/temporary_folder.hpp"
#include "support/masks.hpp"
#include "support/messages.hpp"

namespace halftone::io {
namespace {

using halftone::testing::message_of;
using halftone::testing::small_mask;
using halftone::testing::test_provenance;
using ::testing::IsEmpty;

class Mask : public halftone::testing::FileTest {
 protected:
  std::string write(const std::vector<MaskLayer>& layers) const {
    write_mask(path("m.h5"), layers, test_provenance());
    return path("m.h5");
  }
  template <class Damage>
  std::string read_refusal(const Damage& damage) const {
    write({{5, small_mask()}});
    damage(path("m.h5"));
    const std::string message = message_of<FileError>([&] { read_mask(path("m.h5")); });
    EXPECT_EQ(message.rfind(path("m.h5") + ": ", 0), 0u) << message;
    return message.substr(std::min(message.size(), path("m.h5").size() + 2));
  }
};

template <class View>
std::vector<typename View::non_const_value_type> values(const View& view) {
  return {view.data(), view.data() + view.extent(0)};
}

void expect_same(const HostBlockMask& a, const HostBlockMask& b) {
  EXPECT_EQ(values(a.row_ptr), values(b.row_ptr));
  EXPECT_EQ(values(a.col_idx), values(b.col_idx));
  EXPECT_EQ(values(a.kind), values(b.kind));
  EXPECT_EQ(values(a.bits_index), values(b.bits_index));
  EXPECT_EQ(values(a.bits), values(b.bits));
  EXPECT_EQ(a.window_left, b.window_left);
  EXPECT_EQ(a.window_right, b.window_right);
  EXPECT_EQ(a.batch, b.batch);
  EXPECT_EQ(a.heads, b.heads);
  EXPECT_EQ(a.tiles, b.tiles);
  EXPECT_EQ(a.blocks, b.blocks);
  EXPECT_EQ(a.block_q, b.block_q);
  EXPECT_EQ(a.block_k, b.block_k);
  EXPECT_EQ(a.visible, b.visible);
  EXPECT_EQ(a.pattern, b.pattern);
  EXPECT_EQ(a.parameters, b.parameters);
}

TEST_F(Mask, OneLayerLiesInTheGroupItself) {
  const std::vector<MaskLayer> back = read_mask(write({{5, small_mask()}}));
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].index, 5);
  expect_same(back[0].mask, small_mask());
  const Group root = FileReader(path("m.h5"), "mask").root();
  EXPECT_TRUE(root.has("mask/row_ptr"));
  EXPECT_EQ(root.group("mask").number_attribute("density"), 0.5);
}

TEST_F(Mask, SeveralLayers) {
  HostBlockMask other = small_mask();
  other.pattern = "other";
  other.bits_index = {};
  other.bits = {};
  other.kind = halftone::testing::to_view<std::uint8_t>({0, 1, 2, 3, 4, 5});
  const std::vector<MaskLayer> back = read_mask(write({{12, other}, {0, small_mask()}}));
  ASSERT_EQ(back.size(), 2u);
  EXPECT_EQ(back[0].index, 0);
  EXPECT_EQ(back[1].index, 12);
  expect_same(back[0].mask, small_mask());
  expect_same(back[1].mask, other);
}

TEST_F(Mask, EmptyMasks) {
  HostBlockMask empty = small_mask();
  empty.row_ptr = halftone::testing::to_view<std::int64_t>({0, 0, 0, 0, 0});
  empty.col_idx = {};
  empty.kind = {};
  empty.bits_index = {};
  empty.bits = {};
  expect_same(read_mask(write({{0, empty}}))[0].mask, empty);
}

TEST_F(Mask, WritingRefusesInvalidMasks) {
  HostBlockMask broken = small_mask();
  broken.col_idx(5) = 3;
  EXPECT_EQ(message_of<InvalidArgument>([&] { write({{0, broken}}); }), "mask col_idx[5]: got 3, expected 0 to 2");
  EXPECT_EQ(message_of<InvalidArgument>([&] { write({}); }), "layers: got none, expected at least one");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              write({{1, small_mask()}, {1, small_mask()}});
            }),
            "layer index: got 1 twice, expected each layer once");
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(Mask, ReadingNamesWhatIsWrong) {
  namespace t = halftone::testing;
  EXPECT_EQ(read_refusal([](const std::string& p) { t::remove_object(p, "mask"); }), "group /mask: missing");
  EXPECT_EQ(read_refusal([](const std::string& p) { t::remove_object(p, "mask/kind"); }),
            "dataset /mask/kind: missing");
  EXPECT_EQ(read_refusal([](const std::string& p) { t::remove_object(p, "mask/bits"); }),
            "dataset /mask/bits: missing");
  EXPECT_EQ(read_refusal([](const std::string& p) { t::replace_dataset(p, "mask/kind", H5T_NATIVE_UINT8, {5}); }),
            "dataset /mask/kind: shape: got [5], expected [6]");
  EXPECT_EQ(read_refusal([](const std::string& p) { t::replace_dataset(p, "mask/row_ptr", H5T_NATIVE_INT64, {4}); }),
            "dataset /mask/row_ptr: shape: got [4], expected [5]");
  EXPECT_EQ(read_refusal([](const std::string& p) { t::replace_dataset(p, "mask/row_ptr", H5T_NATIVE_INT32, {5}); }),
            "dataset /mask/row_ptr: element type: got int32, expected int64");
  EXPECT_EQ(read_refusal([](const std::string& p) {
              t::replace_dataset(p, "mask/bits", H5T_NATIVE_UINT64, {2, 4, 2});
            }),
            "dataset /mask/bits: shape: got [2, 4, 2], expected [*, 4, 1]");
  EXPECT_EQ(read_refusal([](const std::string& p) { t::remove_attribute(p, "mask", "window_left"); }),
            "group /mask: no attribute `window_left`");
  EXPECT_EQ(read_refusal([](const std::string& p) { t::replace_attribute(p, "mask", "tiles", "two"); }),
            "group /mask: attribute `tiles`: got string [], expected one integer");
  EXPECT_EQ(read_refusal([](const std::string& p) {
              t::overwrite(p, "mask/col_idx", {0, 0, 2, 0, 1, 7});
            }),
            "group /mask: mask col_idx[5]: got 7, expected 0 to 2");
  EXPECT_EQ(read_refusal([](const std::string& p) {
              t::overwrite(p, "mask/row_ptr", {0, 1, 3, 2, 6});
            }),
            "group /mask: mask row_ptr[3]: got 2, expected at least row_ptr[2] = 3");
  EXPECT_EQ(read_refusal([](const std::string& p) { t::remove_attribute(p, "mask", "block_q"); }),
            "group /mask: got no layer, expected groups layer_NN");
}

}  // namespace
}  // namespace halftone::io
