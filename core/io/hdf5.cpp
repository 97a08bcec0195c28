#include "halftone/core/io/hdf5.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "halftone/core/io/hdf5_detail.hpp"

namespace halftone::io {
namespace {

constexpr std::size_t kCompressFrom = 64 << 10;  // bytes; smaller datasets gain nothing
constexpr std::size_t kChunkBytes = 1 << 20;     // HDF5's chunk cache holds one chunk of this size
constexpr unsigned kDeflateLevel = 4;

std::string child_name(const std::string& parent, const std::string& child) {
  return parent == "/" ? parent + child : parent + "/" + child;
}

std::int64_t element_count(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>{});
}

Handle make_space(const Shape& shape) {
  const std::vector<hsize_t> lengths(shape.begin(), shape.end());
  return shape.empty() ? Handle(H5Screate(H5S_SCALAR), H5Sclose)
                       : Handle(H5Screate_simple(static_cast<int>(lengths.size()), lengths.data(), nullptr), H5Sclose);
}

/// The shape with its leading dimensions halved until a chunk holds at most kChunkBytes.
std::vector<hsize_t> chunk_lengths(const Shape& shape, std::size_t element_size) {
  std::vector<hsize_t> chunk(shape.begin(), shape.end());
  const auto bytes = [&] {
    return std::accumulate(chunk.begin(), chunk.end(), hsize_t{element_size}, std::multiplies<>{});
  };
  for (hsize_t& length : chunk)
    while (length > 1 && bytes() > kChunkBytes) length = (length + 1) / 2;
  return chunk;
}

/// Opens an attribute; an id below 0 when it is not there.
Handle open_attribute(const Object& object, const std::string& attribute) {
  return Handle(object.has_attribute(attribute) ? H5Aopen(object.id(), attribute.c_str(), H5P_DEFAULT) : -1, H5Aclose);
}

/// Reads an attribute of one element whose type class is one of `classes` as `memory_type`.
void read_scalar_attribute(const Object& object, const std::string& attribute,
                           std::initializer_list<H5T_class_t> classes, std::string_view expected, hid_t memory_type,
                           void* value) {
  const Handle handle = open_attribute(object, attribute);
  if (handle.id() < 0) object.fail(fmt::format("no attribute `{}`", attribute));
  const Handle type(H5Aget_type(handle.id()), H5Tclose), space(H5Aget_space(handle.id()), H5Sclose);
  if (std::find(classes.begin(), classes.end(), H5Tget_class(type.id())) == classes.end() ||
      H5Sget_simple_extent_npoints(space.id()) != 1)
    object.fail(fmt::format("attribute `{}`: got {} {}, expected {}", attribute, describe_type(type.id()),
                            to_string(shape_of(space.id())), expected));
  if (H5Aread(handle.id(), memory_type, value) < 0)
    object.fail(fmt::format("attribute `{}`: cannot read: {}", attribute, hdf5_reason()));
}

H5I_type_t type_of_child(const Group& group, const std::string& child) {
  return H5Iget_type(Handle(H5Oopen(group.id(), child.c_str(), H5P_DEFAULT), H5Oclose).id());
}

void write_scalar_attribute(const Object& object, const std::string& attribute, hid_t type, const void* value) {
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  const Handle handle(H5Acreate2(object.id(), attribute.c_str(), type, space.id(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  if (handle.id() < 0 || H5Awrite(handle.id(), type, value) < 0)
    object.fail(fmt::format("attribute `{}`: cannot write: {}", attribute, hdf5_reason()));
}

}  // namespace

std::string_view name_of(NumberType type) {
  static constexpr std::array<std::string_view, 10> names{"float16", "bfloat16", "float32", "float64", "int32",
                                                          "int64",   "uint8",    "uint16",  "uint32",  "uint64"};
  return names[static_cast<std::size_t>(type)];
}

NumberType number_type(DType dtype) {
  return dispatch_dtype(dtype, [](auto element) { return number_type_of<decltype(element)>; });
}

std::string to_string(const Shape& shape) {
  std::vector<std::string> lengths;
  for (const std::int64_t length : shape) lengths.push_back(length < 0 ? "*" : std::to_string(length));
  return fmt::format("[{}]", fmt::join(lengths, ", "));
}

Handle::Handle(std::int64_t id, Close close) {
  if (id < 0) return;
  id_ = std::shared_ptr<const std::int64_t>(new std::int64_t(id), [close](const std::int64_t* owned) {
    close(*owned);
    delete owned;
  });
}

Object::Object(const char* what, Handle handle, std::shared_ptr<const std::string> file, std::string name)
    : handle_(std::move(handle)), what_(what), file_(std::move(file)), name_(std::move(name)) {}

void Object::fail(std::string_view problem) const {
  throw FileError(*file_, name_ == "/" ? std::string(problem) : fmt::format("{} {}: {}", what_, name_, problem));
}

bool Object::has_attribute(const std::string& attribute) const { return H5Aexists(id(), attribute.c_str()) > 0; }

std::vector<std::string> Object::attributes() const {
  std::vector<std::string> names;
  const auto collect = [](hid_t, const char* name, const H5A_info_t*, void* into) -> herr_t {
    static_cast<std::vector<std::string>*>(into)->emplace_back(name);
    return 0;
  };
  H5Aiterate2(id(), H5_INDEX_NAME, H5_ITER_INC, nullptr, collect, &names);
  return names;
}

std::string Object::string_attribute(const std::string& attribute) const {
  const Handle handle = open_attribute(*this, attribute);
  if (handle.id() < 0) fail(fmt::format("no attribute `{}`", attribute));
  const Handle type(H5Aget_type(handle.id()), H5Tclose), space(H5Aget_space(handle.id()), H5Sclose);
  if (H5Tget_class(type.id()) != H5T_STRING || H5Sget_simple_extent_npoints(space.id()) != 1)
    fail(fmt::format("attribute `{}`: got {} {}, expected one string", attribute, describe_type(type.id()),
                     to_string(shape_of(space.id()))));
  const auto strings = read_strings(handle.id(), type.id(), 1, H5Aread);
  if (!strings) fail(fmt::format("attribute `{}`: cannot read: {}", attribute, hdf5_reason()));
  return strings->front();
}

std::int64_t Object::integer_attribute(const std::string& attribute) const {
  std::int64_t value = 0;
  read_scalar_attribute(*this, attribute, {H5T_INTEGER, H5T_ENUM}, "one integer", H5T_NATIVE_INT64, &value);
  return value;
}

std::uint64_t Object::unsigned_attribute(const std::string& attribute) const {
  std::uint64_t value = 0;
  read_scalar_attribute(*this, attribute, {H5T_INTEGER}, "one integer", H5T_NATIVE_UINT64, &value);
  return value;
}

double Object::number_attribute(const std::string& attribute) const {
  double value = 0.0;
  read_scalar_attribute(*this, attribute, {H5T_INTEGER, H5T_FLOAT}, "one number", H5T_NATIVE_DOUBLE, &value);
  return value;
}

void Object::set_string(const std::string& attribute, std::string_view value) const {
  const std::string text(value);
  const char* pointer = text.c_str();
  write_scalar_attribute(*this, attribute, string_type().id(), &pointer);
}

void Object::set_integer(const std::string& attribute, std::int64_t value) const {
  write_scalar_attribute(*this, attribute, H5T_NATIVE_INT64, &value);
}

void Object::set_unsigned(const std::string& attribute, std::uint64_t value) const {
  write_scalar_attribute(*this, attribute, H5T_NATIVE_UINT64, &value);
}

void Object::set_number(const std::string& attribute, double value) const {
  write_scalar_attribute(*this, attribute, H5T_NATIVE_DOUBLE, &value);
}

Dataset::Dataset(Handle handle, std::shared_ptr<const std::string> file, std::string name)
    : Object("dataset", std::move(handle), std::move(file), std::move(name)),
      shape_(shape_of(Handle(H5Dget_space(id()), H5Sclose).id())) {}

std::int64_t Dataset::size() const { return element_count(shape_); }

bool Dataset::is_string() const { return H5Tget_class(Handle(H5Dget_type(id()), H5Tclose).id()) == H5T_STRING; }

bool Dataset::is_integer() const {
  return H5Tget_class(Handle(H5Dget_type(id()), H5Tclose).id()) == H5T_INTEGER && !is_bfloat16();
}

std::string Dataset::type_name() const {
  const Handle type(H5Dget_type(id()), H5Tclose);
  return is_bfloat16() ? "bfloat16" : describe_type(type.id());
}

bool Dataset::is_bfloat16() const {
  const Handle type(H5Dget_type(id()), H5Tclose);
  return io::number_type(type.id()) == NumberType::uint16 && has_attribute("encoding") &&
         string_attribute("encoding") == "bfloat16";
}

NumberType Dataset::require_type(std::initializer_list<NumberType> accepted) const {
  const Handle type(H5Dget_type(id()), H5Tclose);
  const auto number = is_bfloat16() ? NumberType::bfloat16 : io::number_type(type.id());
  if (!number || std::find(accepted.begin(), accepted.end(), *number) == accepted.end()) {
    std::vector<std::string_view> names;
    for (const NumberType one : accepted) names.push_back(name_of(one));
    fail(fmt::format("element type: got {}, expected {}", type_name(), fmt::join(names, " or ")));
  }
  return *number;
}

const Dataset& Dataset::require_shape(const Shape& expected) const {
  const bool matches = std::equal(shape_.begin(), shape_.end(), expected.begin(), expected.end(),
                                  [](std::int64_t got, std::int64_t want) { return want < 0 || got == want; });
  if (!matches) fail(fmt::format("shape: got {}, expected {}", to_string(shape_), to_string(expected)));
  return *this;
}

void Dataset::read_into(NumberType type, void* values) const {
  require_type({type});
  read_converted(native_type(type).id(), values);
}

std::vector<double> Dataset::read_doubles() const {
  using enum NumberType;
  require_type({float16, float32, float64, int32, int64, uint8, uint16, uint32, uint64});
  std::vector<double> values(static_cast<std::size_t>(size()));
  read_converted(H5T_NATIVE_DOUBLE, values.data());
  return values;
}

std::vector<std::int64_t> Dataset::read_integers() const {
  using enum NumberType;
  require_type({int32, int64, uint8, uint16, uint32, uint64});
  std::vector<std::int64_t> values(static_cast<std::size_t>(size()));
  read_converted(H5T_NATIVE_INT64, values.data());
  return values;
}

std::vector<std::string> Dataset::read_strings() const {
  if (!is_string()) fail(fmt::format("element type: got {}, expected string", type_name()));
  const Handle type(H5Dget_type(id()), H5Tclose);
  const auto read = [](hid_t dataset, hid_t memory, void* buffer) {
    return H5Dread(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer);
  };
  auto strings = io::read_strings(id(), type.id(), static_cast<std::size_t>(size()), read);
  if (!strings) fail("cannot read: " + hdf5_reason());
  return *std::move(strings);
}

void Dataset::read_converted(std::int64_t memory_type, void* values) const {
  if (size() > 0 && H5Dread(id(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
    fail("cannot read: " + hdf5_reason());
}

Group::Group(Handle handle, std::shared_ptr<const std::string> file, std::string name)
    : Object("group", std::move(handle), std::move(file), std::move(name)) {}

bool Group::has(const std::string& child) const { return H5Oexists_by_name(id(), child.c_str(), H5P_DEFAULT) > 0; }

bool Group::is_group(const std::string& child) const { return type_of_child(*this, child) == H5I_GROUP; }
bool Group::is_dataset(const std::string& child) const { return type_of_child(*this, child) == H5I_DATASET; }

std::vector<std::string> Group::names() const {
  std::vector<std::string> names;
  const auto collect = [](hid_t, const char* name, const H5L_info_t*, void* into) -> herr_t {
    static_cast<std::vector<std::string>*>(into)->emplace_back(name);
    return 0;
  };
  if (H5Literate(id(), H5_INDEX_CRT_ORDER, H5_ITER_INC, nullptr, collect, &names) < 0) {
    names.clear();
    H5Literate(id(), H5_INDEX_NAME, H5_ITER_INC, nullptr, collect, &names);
  }
  return names;
}

Group Group::group(const std::string& child) const {
  const std::string name = child_name(name_, child);
  if (!has(child)) throw FileError(*file_, fmt::format("group {}: missing", name));
  Group group(Handle(H5Gopen2(id(), child.c_str(), H5P_DEFAULT), H5Gclose), file_, name);
  if (group.id() < 0) throw FileError(*file_, fmt::format("group {}: {}", name, hdf5_reason()));
  return group;
}

Dataset Group::dataset(const std::string& child) const {
  const std::string name = child_name(name_, child);
  if (!has(child)) throw FileError(*file_, fmt::format("dataset {}: missing", name));
  Handle handle(H5Dopen2(id(), child.c_str(), H5P_DEFAULT), H5Dclose);
  if (handle.id() < 0) throw FileError(*file_, fmt::format("dataset {}: {}", name, hdf5_reason()));
  return Dataset(std::move(handle), file_, name);
}

Group Group::create_group(const std::string& child) const {
  const std::string name = child_name(name_, child);
  const Handle properties(H5Pcreate(H5P_GROUP_CREATE), H5Pclose);
  H5Pset_link_creation_order(properties.id(), H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  Group group(Handle(H5Gcreate2(id(), child.c_str(), H5P_DEFAULT, properties.id(), H5P_DEFAULT), H5Gclose), file_,
              name);
  if (group.id() < 0) throw FileError(*file_, fmt::format("group {}: cannot write: {}", name, hdf5_reason()));
  return group;
}

Dataset Group::create_dataset(const std::string& child, std::int64_t type, const Shape& shape, bool compress,
                              const void* values) const {
  const std::string name = child_name(name_, child);
  const Handle space = make_space(shape), properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  if (compress && static_cast<std::size_t>(element_count(shape)) * H5Tget_size(type) >= kCompressFrom) {
    const std::vector<hsize_t> chunk = chunk_lengths(shape, H5Tget_size(type));
    H5Pset_chunk(properties.id(), static_cast<int>(chunk.size()), chunk.data());
    H5Pset_shuffle(properties.id());
    H5Pset_deflate(properties.id(), kDeflateLevel);
  }
  Handle handle(H5Dcreate2(id(), child.c_str(), type, space.id(), H5P_DEFAULT, properties.id(), H5P_DEFAULT), H5Dclose);
  if (handle.id() < 0 ||
      (element_count(shape) > 0 && H5Dwrite(handle.id(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0))
    throw FileError(*file_, fmt::format("dataset {}: cannot write: {}", name, hdf5_reason()));
  return Dataset(std::move(handle), file_, name);
}

Dataset Group::write(const std::string& child, NumberType type, const void* values, const Shape& shape,
                     const DatasetInfo& info) const {
  const Dataset dataset = create_dataset(child, native_type(type).id(), shape, info.compress, values);
  if (type == NumberType::bfloat16) dataset.set_string("encoding", "bfloat16");
  dataset.set_string("units", info.units);
  dataset.set_string("description", info.description);
  return dataset;
}

Dataset Group::write(const std::string& child, const HostTensor& tensor, const DatasetInfo& info) const {
  return write(child, io::number_type(tensor.dtype), tensor.data(), Shape(tensor.shape.begin(), tensor.shape.end()),
               info);
}

Dataset Group::write_strings(const std::string& child, std::span<const std::string> values,
                             std::string_view description) const {
  std::vector<const char*> pointers;
  for (const std::string& value : values) pointers.push_back(value.c_str());
  const Dataset dataset =
      create_dataset(child, string_type().id(), {static_cast<std::int64_t>(values.size())}, false, pointers.data());
  dataset.set_string("description", description);
  return dataset;
}

HostTensor Group::read_tensor(const std::string& child, const Shape& expected) const {
  const Dataset data = dataset(child);
  const NumberType type = data.require_type({NumberType::float32, NumberType::float16, NumberType::bfloat16});
  const Shape& shape = data.require_shape(expected).shape();
  HostTensor tensor(data.name(), dtype_from_name(name_of(type)), {shape[0], shape[1], shape[2], shape[3]});
  data.read_into(type, tensor.data());
  return tensor;
}

}  // namespace halftone::io
