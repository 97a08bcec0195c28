// HDF5 objects with owned handles, typed reads and writes, and errors that name file and object.
// Below the typed files (activations.hpp, mask_file.hpp, ...), for those that need another layout.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "halftone/core/dtype.hpp"
#include "halftone/core/error.hpp"
#include "halftone/core/tensor.hpp"

namespace halftone::io {

/// Element types of datasets. float16 is a 16-bit IEEE float in the file; bfloat16 is uint16 with the attribute
/// `encoding` = "bfloat16".
enum class NumberType : std::uint8_t {
  float16,
  bfloat16,
  float32,
  float64,
  int32,
  int64,
  uint8,
  uint16,
  uint32,
  uint64
};

/// "float16", "bfloat16", "float32", ...
std::string_view name_of(NumberType type);
NumberType number_type(DType dtype);

namespace detail {

using Numbers = std::tuple<float16, bfloat16, float, double, std::int32_t, std::int64_t, std::uint8_t, std::uint16_t,
                           std::uint32_t, std::uint64_t>;  // in the order of NumberType

template <class T, std::size_t I = 0>
constexpr std::size_t number_index() {
  if constexpr (std::is_same_v<T, std::tuple_element_t<I, Numbers>>)
    return I;
  else
    return number_index<T, I + 1>();
}

}  // namespace detail

template <class T>
inline constexpr NumberType number_type_of = static_cast<NumberType>(detail::number_index<T>());

using Shape = std::vector<std::int64_t>;

/// "[2, 3]"; -1 prints as "*".
std::string to_string(const Shape& shape);

/// What every numeric dataset says about itself.
struct DatasetInfo {
  std::string_view units = "1";  ///< "1": a pure number
  std::string_view description;
  bool compress = true;  ///< shuffle and deflate, in chunks, for datasets above 64 KiB
};

/// An open HDF5 handle; closed with the last copy.
class Handle {
 public:
  using Close = int (*)(std::int64_t);
  Handle() = default;
  Handle(std::int64_t id, Close close);
  std::int64_t id() const { return id_ ? *id_ : -1; }

 private:
  std::shared_ptr<const std::int64_t> id_;
};

/// What groups and datasets share: a place in a file, and attributes.
/// Reading an attribute throws FileError when it is missing or of another type.
class Object {
 public:
  const std::string& file() const { return *file_; }  ///< path of the file, for messages
  const std::string& name() const { return name_; }   ///< path inside the file

  bool has_attribute(const std::string& attribute) const;
  std::vector<std::string> attributes() const;
  std::string string_attribute(const std::string& attribute) const;
  std::int64_t integer_attribute(const std::string& attribute) const;  ///< any integer type, or a boolean
  std::uint64_t unsigned_attribute(const std::string& attribute) const;
  double number_attribute(const std::string& attribute) const;  ///< any integer or floating-point type

  void set_string(const std::string& attribute, std::string_view value) const;
  void set_integer(const std::string& attribute, std::int64_t value) const;
  void set_unsigned(const std::string& attribute, std::uint64_t value) const;
  void set_number(const std::string& attribute, double value) const;

  /// Throws FileError "<file>: <what> <name>: <problem>", e.g. "x.h5: dataset /mask/kind: ...".
  [[noreturn]] void fail(std::string_view problem) const;
  std::int64_t id() const { return handle_.id(); }  ///< the hid_t

 protected:
  /// `what`: "group" or "dataset", for messages.
  Object(const char* what, Handle handle, std::shared_ptr<const std::string> file, std::string name);

  Handle handle_;
  const char* what_;
  std::shared_ptr<const std::string> file_;
  std::string name_;
};

class Dataset final : public Object {
 public:
  const Shape& shape() const { return shape_; }
  std::int64_t size() const;
  bool is_string() const;
  bool is_integer() const;        ///< bfloat16 is not
  std::string type_name() const;  ///< for people: "float16", "string", "compound of 12 bytes"
  /// Throws FileError with both types unless it is one of `accepted`.
  NumberType require_type(std::initializer_list<NumberType> accepted) const;

  /// Throws FileError with both shapes unless they match; -1 stands for any length.
  const Dataset& require_shape(const Shape& expected) const;

  /// All elements; throws FileError unless the dataset holds exactly that type.
  template <class T>
  std::vector<T> read() const {
    std::vector<T> values(static_cast<std::size_t>(size()));
    read_into(number_type_of<T>, values.data());
    return values;
  }
  void read_into(NumberType type, void* values) const;
  /// All elements of any integer or floating-point type, converted.
  std::vector<double> read_doubles() const;
  /// All elements of any integer type, converted.
  std::vector<std::int64_t> read_integers() const;
  std::vector<std::string> read_strings() const;

 private:
  friend class Group;
  Dataset(Handle handle, std::shared_ptr<const std::string> file, std::string name);
  bool is_bfloat16() const;
  void read_converted(std::int64_t memory_type, void* values) const;

  Shape shape_;
};

class Group final : public Object {
 public:
  Group(Handle handle, std::shared_ptr<const std::string> file, std::string name);

  bool has(const std::string& child) const;
  bool is_group(const std::string& child) const;
  bool is_dataset(const std::string& child) const;
  std::vector<std::string> names() const;  ///< children in order of creation where the file keeps it, else by name

  /// Opens a child ("a/b" too); throws FileError when it is missing or something else.
  Group group(const std::string& child) const;
  Dataset dataset(const std::string& child) const;

  Group create_group(const std::string& child) const;
  Dataset write(const std::string& child, NumberType type, const void* values, const Shape& shape,
                const DatasetInfo& info) const;
  template <class T>
  Dataset write(const std::string& child, std::span<const T> values, const Shape& shape,
                const DatasetInfo& info) const {
    return write(child, number_type_of<T>, values.data(), shape, info);
  }
  Dataset write(const std::string& child, const HostTensor& tensor, const DatasetInfo& info) const;
  Dataset write_strings(const std::string& child, std::span<const std::string> values,
                        std::string_view description) const;

  /// A float32, float16 or bfloat16 dataset of four dimensions; throws FileError on other types and shapes.
  HostTensor read_tensor(const std::string& child, const Shape& expected = {-1, -1, -1, -1}) const;

 private:
  Dataset create_dataset(const std::string& child, std::int64_t type, const Shape& shape, bool compress,
                         const void* values) const;
};

}  // namespace halftone::io
