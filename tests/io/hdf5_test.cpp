#include "halftone/core/io/hdf5.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "halftone/core/io/file.hpp"
#include "io/temporary_folder.hpp"
#include "support/messages.hpp"
#include "support/random.hpp"

namespace halftone::io {
namespace {

using halftone::testing::message_of;
using halftone::testing::random_tensor;
using halftone::testing::test_provenance;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Hdf5 : public halftone::testing::FileTest {
 protected:
  /// Writes a file and opens it again.
  template <class Write>
  Group written(const Write& write) const {
    FileWriter writer(path("a.h5"), "eval", test_provenance());
    write(writer.root());
    writer.commit();
    return FileReader(path("a.h5"), "eval").root();
  }
};

template <class T>
class Numbers : public Hdf5 {};
using NumberTypes = ::testing::Types<float16, bfloat16, float, double, std::int32_t, std::int64_t, std::uint8_t,
                                     std::uint16_t, std::uint32_t, std::uint64_t>;
TYPED_TEST_SUITE(Numbers, NumberTypes);

/// Bytes of a repeating pattern: every bit must come back.
template <class T>
std::vector<T> patterned(std::size_t count) {
  std::vector<T> values(count);
  auto* bytes = reinterpret_cast<unsigned char*>(values.data());
  for (std::size_t i = 0; i < count * sizeof(T); ++i) bytes[i] = static_cast<unsigned char>(i * 151 + (i >> 8) * 31);
  return values;
}

TYPED_TEST(Numbers, RoundTripBitForBit) {
  for (const std::int64_t columns : {7, 70007}) {  // as it is; in compressed chunks
    const std::vector<TypeParam> values = patterned<TypeParam>(static_cast<std::size_t>(3 * columns));
    const Group root = this->written([&](const Group& group) {
      group.write<TypeParam>("values", values, {3, columns}, {"s", "some numbers"});
    });
    const Dataset data = root.dataset("values");
    EXPECT_EQ(data.shape(), (Shape{3, columns}));
    EXPECT_EQ(data.type_name(), name_of(number_type_of<TypeParam>));
    EXPECT_EQ(data.string_attribute("units"), "s");
    EXPECT_EQ(data.string_attribute("description"), "some numbers");
    const std::vector<TypeParam> back = data.read<TypeParam>();
    ASSERT_EQ(back.size(), values.size());
    EXPECT_EQ(std::memcmp(back.data(), values.data(), values.size() * sizeof(TypeParam)), 0);
  }
}

TYPED_TEST(Numbers, EmptyAndScalarShapes) {
  const std::vector<TypeParam> one = patterned<TypeParam>(1), none;
  const Group root = this->written([&](const Group& group) {
    group.write<TypeParam>("none", none, {4, 0}, {});
    group.write<TypeParam>("scalar", one, {}, {});
  });
  EXPECT_EQ(root.dataset("none").shape(), (Shape{4, 0}));
  EXPECT_TRUE(root.dataset("none").read<TypeParam>().empty());
  EXPECT_EQ(root.dataset("scalar").shape(), Shape{});
  EXPECT_EQ(std::memcmp(root.dataset("scalar").read<TypeParam>().data(), one.data(), sizeof(TypeParam)), 0);
}

TYPED_TEST(Numbers, OtherTypesAreRefused) {
  const std::vector<TypeParam> values = patterned<TypeParam>(2);
  const Group root = this->written([&](const Group& group) { group.write<TypeParam>("values", values, {2}, {}); });
  using Other = std::conditional_t<std::is_same_v<TypeParam, float>, double, float>;
  EXPECT_EQ(message_of<FileError>([&] { root.dataset("values").read<Other>(); }),
            fmt::format("{}: dataset /values: element type: got {}, expected {}", this->path("a.h5"),
                        name_of(number_type_of<TypeParam>), name_of(number_type_of<Other>)));
}

// h5py and other readers see numpy's float16 in such a type.
TEST_F(Hdf5, HalfIsASixteenBitIeeeType) {
  const std::vector<float16> values{float16(1.0f), float16(-0.5f), float16(65504.0f), float16(0x1.0p-24f),
                                    float16(std::numeric_limits<float>::infinity())};
  const Group root = written([&](const Group& group) { group.write<float16>("values", values, {5}, {}); });
  const Dataset data = root.dataset("values");
  const hid_t type = H5Dget_type(data.id());
  std::size_t sign, exponent, exponent_bits, mantissa, mantissa_bits;
  H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits);
  EXPECT_EQ(H5Tget_class(type), H5T_FLOAT);
  EXPECT_EQ(H5Tget_size(type), 2u);
  EXPECT_EQ(H5Tget_precision(type), 16u);
  EXPECT_EQ(sign, 15u);
  EXPECT_EQ(exponent, 10u);
  EXPECT_EQ(exponent_bits, 5u);
  EXPECT_EQ(mantissa, 0u);
  EXPECT_EQ(mantissa_bits, 10u);
  EXPECT_EQ(H5Tget_ebias(type), 15u);
  EXPECT_EQ(H5Tget_norm(type), H5T_NORM_IMPLIED);
  H5Tclose(type);
  // HDF5's own conversion agrees about the values.
  EXPECT_THAT(data.read_doubles(), ElementsAre(1.0, -0.5, 65504.0, 0x1.0p-24, HUGE_VAL));
}

TEST_F(Hdf5, Bfloat16IsEncodedInUint16) {
  const std::vector<bfloat16> values{bfloat16(1.0f)};
  const Group root = written([&](const Group& group) { group.write<bfloat16>("values", values, {1}, {}); });
  const Dataset data = root.dataset("values");
  EXPECT_EQ(data.string_attribute("encoding"), "bfloat16");
  const hid_t type = H5Dget_type(data.id());
  EXPECT_GT(H5Tequal(type, H5T_STD_U16LE), 0);
  H5Tclose(type);
  EXPECT_EQ(message_of<FileError>([&] { data.read<std::uint16_t>(); }),
            path("a.h5") + ": dataset /values: element type: got bfloat16, expected uint16");
}

TEST_F(Hdf5, LargeDatasetsAreCompressedSmallOnesAndUnwantedOnesNot) {
  const std::vector<float> zeros(1 << 20, 0.0f);
  const Group root = written([&](const Group& group) {
    group.write<float>("large", zeros, {4, 1 << 18}, {});
    group.write<float>("plain", zeros, {4, 1 << 18}, {"1", "", false});
    group.write<float>("small", std::span(zeros).first(100), {100}, {});
  });
  const auto layout = [&](const char* name) {
    const hid_t properties = H5Dget_create_plist(root.dataset(name).id());
    const H5D_layout_t layout = H5Pget_layout(properties);
    if (layout == H5D_CHUNKED) {
      hsize_t chunk[2];
      H5Pget_chunk(properties, 2, chunk);
      EXPECT_LE(chunk[0] * chunk[1] * sizeof(float), hsize_t{1} << 20);
      EXPECT_EQ(H5Pget_nfilters(properties), 2);
    }
    H5Pclose(properties);
    return layout;
  };
  EXPECT_EQ(layout("large"), H5D_CHUNKED);
  EXPECT_EQ(layout("plain"), H5D_CONTIGUOUS);
  EXPECT_EQ(layout("small"), H5D_CONTIGUOUS);
  EXPECT_EQ(root.dataset("large").read<float>(), zeros);
}

TEST_F(Hdf5, Tensors) {
  for (const DType dtype : {DType::float32, DType::float16, DType::bfloat16}) {
    const HostTensor tensor = random_tensor(dtype, {2, 3, 5, 7}, 1);
    const Group root = written([&](const Group& group) { group.write("tensor", tensor, {"1", "random"}); });
    const HostTensor back = root.read_tensor("tensor", {2, -1, 5, 7});
    EXPECT_EQ(back.dtype, dtype);
    EXPECT_EQ(back.shape, tensor.shape);
    EXPECT_EQ(std::memcmp(back.data(), tensor.data(), 210 * size_of(dtype)), 0);
    EXPECT_EQ(message_of<FileError>([&] {
                root.read_tensor("tensor", {2, -1, 6, 7});
              }),
              path("a.h5") + ": dataset /tensor: shape: got [2, 3, 5, 7], expected [2, *, 6, 7]");
  }
  const Group root = written([&](const Group& group) {
    group.write<double>("doubles", std::vector<double>(1), {1, 1, 1, 1}, {});
  });
  EXPECT_EQ(message_of<FileError>([&] { root.read_tensor("doubles"); }),
            path("a.h5") + ": dataset /doubles: element type: got float64, expected float32 or float16 or bfloat16");
}

TEST_F(Hdf5, Strings) {
  const std::vector<std::string> texts{"plain", "", "h\u00e4lft\u00f6ne \u2248", std::string(5000, 'x')};
  const Group root = written([&](const Group& group) { group.write_strings("texts", texts, "some words"); });
  const Dataset data = root.dataset("texts");
  EXPECT_EQ(data.read_strings(), texts);
  EXPECT_EQ(data.type_name(), "string");
  EXPECT_EQ(data.string_attribute("description"), "some words");
  EXPECT_EQ(message_of<FileError>([&] {
              data.read_doubles();
            }).find(path("a.h5") + ": dataset /texts: element type: got string"),
            0u);
  const hid_t type = H5Dget_type(data.id());
  EXPECT_EQ(H5Tget_cset(type), H5T_CSET_UTF8);
  H5Tclose(type);
}

TEST_F(Hdf5, FixedLengthStringsOfOtherWriters) {
  written([](const Group&) {});
  halftone::testing::edit(path("a.h5"), [](hid_t file) {
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, 4);
    const hsize_t length = 2;
    const hid_t space = H5Screate_simple(1, &length, nullptr);
    for (const auto& [name, padding] : {std::pair{"nulls", H5T_STR_NULLPAD}, std::pair{"spaces", H5T_STR_SPACEPAD}}) {
      H5Tset_strpad(type, padding);
      const hid_t data = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
      H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, padding == H5T_STR_NULLPAD ? "full\0\0\0\0" : "fullab  ");
      H5Dclose(data);
    }
    H5Sclose(space);
    H5Tclose(type);
  });
  const Group root = FileReader(path("a.h5"), "eval").root();
  EXPECT_THAT(root.dataset("nulls").read_strings(), ElementsAre("full", ""));
  EXPECT_THAT(root.dataset("spaces").read_strings(), ElementsAre("full", "ab"));
}

TEST_F(Hdf5, Attributes) {
  const Group root = written([](const Group& root) {
    const Group group = root.create_group("group");
    group.set_string("text", "some\ntext");
    group.set_integer("integer", std::numeric_limits<std::int64_t>::min());
    group.set_unsigned("unsigned", ~0ull);
    group.set_number("number", 0.1);
  });
  const Group group = root.group("group");
  EXPECT_EQ(group.string_attribute("text"), "some\ntext");
  EXPECT_EQ(group.integer_attribute("integer"), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(group.unsigned_attribute("unsigned"), ~0ull);
  EXPECT_EQ(group.number_attribute("number"), 0.1);
  EXPECT_THAT(group.attributes(), ElementsAre("integer", "number", "text", "unsigned"));
  const std::string where = path("a.h5") + ": group /group: ";
  EXPECT_EQ(message_of<FileError>([&] { group.number_attribute("size"); }), where + "no attribute `size`");
  EXPECT_EQ(message_of<FileError>([&] { group.string_attribute("size"); }), where + "no attribute `size`");
  EXPECT_EQ(message_of<FileError>([&] { group.number_attribute("text"); }),
            where + "attribute `text`: got string [], expected one number");
  EXPECT_EQ(message_of<FileError>([&] { group.integer_attribute("number"); }),
            where + "attribute `number`: got float64 [], expected one integer");
}

TEST_F(Hdf5, ObjectsAreFoundAndMissed) {
  const Group root = written([](const Group& root) {
    const Group group = root.create_group("group");
    group.create_group("z").create_group("deep");
    group.create_group("a");
    root.write<float>("data", std::vector<float>{1.0f}, {1}, {});
  });
  EXPECT_THAT(root.group("group").names(), ElementsAre("z", "a"));  // as they were made
  EXPECT_TRUE(root.has("group/z/deep"));
  EXPECT_FALSE(root.has("group/x/deep"));
  EXPECT_TRUE(root.is_group("group/z"));
  EXPECT_FALSE(root.is_group("data"));
  EXPECT_TRUE(root.is_dataset("data"));
  EXPECT_EQ(root.group("group/z").name(), "/group/z");
  const std::string file = path("a.h5");
  EXPECT_EQ(message_of<FileError>([&] { root.group("group").dataset("no"); }), file + ": dataset /group/no: missing");
  EXPECT_EQ(message_of<FileError>([&] { root.group("no"); }), file + ": group /no: missing");
  EXPECT_THAT(message_of<FileError>([&] { root.dataset("group"); }), HasSubstr(file + ": dataset /group: "));
  EXPECT_THAT(message_of<FileError>([&] { root.group("data"); }), HasSubstr(file + ": group /data: "));
}

TEST_F(Hdf5, DamagedDataIsNamed) {
  const std::vector<std::int64_t> values = patterned<std::int64_t>(100000);
  written([&](const Group& group) { group.write<std::int64_t>("values", values, {100000}, {}); });
  std::string bytes = halftone::testing::read_text(path("a.h5"));
  bytes.replace(bytes.size() / 2, 4096, std::string(4096, 'x'));
  halftone::testing::write_text(path("a.h5"), bytes);
  const Dataset data = FileReader(path("a.h5"), "eval").root().dataset("values");
  EXPECT_THAT(message_of<FileError>([&] { data.read<std::int64_t>(); }),
              HasSubstr(path("a.h5") + ": dataset /values: cannot read: "));
}

}  // namespace
}  // namespace halftone::io
