#include "halftone/core/io/output_driver.hpp"

#include <hdf5.h>
#if __has_include(<H5FDdevelop.h>)
#include <H5FDdevelop.h>  // HDF5 1.14 moved the driver interface there
#endif
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "halftone/core/io/hdf5_detail.hpp"

namespace halftone::io {
namespace {

/// What H5Pset_driver hands to open().
struct Target {
  int descriptor;
  int* error;
};

/// An open file as HDF5 sees it; `base` first, since HDF5 holds pointers to it.
struct Output {
  H5FD_t base;
  Target target;
  haddr_t end_of_allocation, end_of_file;
};

Output& output(H5FD_t* file) { return *reinterpret_cast<Output*>(file); }
const Output& output(const H5FD_t* file) { return *reinterpret_cast<const Output*>(file); }

H5FD_t* open_output(const char*, unsigned, hid_t access, haddr_t) {
  const auto* target = static_cast<const Target*>(H5Pget_driver_info(access));
  return target ? &(new Output{{}, *target, 0, 0})->base : nullptr;
}

herr_t close_output(H5FD_t* file) {
  delete &output(file);
  return 0;
}

int compare(const H5FD_t* a, const H5FD_t* b) { return output(a).target.descriptor - output(b).target.descriptor; }

herr_t query(const H5FD_t*, unsigned long* flags) {
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
           H5FD_FEAT_AGGREGATE_SMALLDATA;
  return 0;
}

haddr_t end_of_allocation(const H5FD_t* file, H5FD_mem_t) { return output(file).end_of_allocation; }

herr_t set_end_of_allocation(H5FD_t* file, H5FD_mem_t, haddr_t address) {
  output(file).end_of_allocation = address;
  return 0;
}

haddr_t end_of_file(const H5FD_t* file, H5FD_mem_t) { return output(file).end_of_file; }

herr_t read_output(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t address, std::size_t size, void* buffer) {
  auto* bytes = static_cast<char*>(buffer);
  while (size > 0) {
    const ssize_t got = pread(output(file).target.descriptor, bytes, size, static_cast<off_t>(address));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) {  // past the end: not written yet
      std::memset(bytes, 0, size);
      break;
    }
    bytes += got;
    address += static_cast<haddr_t>(got);
    size -= static_cast<std::size_t>(got);
  }
  return 0;
}

herr_t write_output(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t address, std::size_t size, const void* buffer) {
  Output& out = output(file);
  const auto* bytes = static_cast<const char*>(buffer);
  out.end_of_file = std::max(out.end_of_file, address + size);
  while (size > 0 && *out.target.error == 0) {
    const ssize_t put = pwrite(out.target.descriptor, bytes, size, static_cast<off_t>(address));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      *out.target.error = put < 0 ? errno : ENOSPC;
      break;
    }
    bytes += put;
    address += static_cast<haddr_t>(put);
    size -= static_cast<std::size_t>(put);
  }
  return 0;
}

herr_t truncate_output(H5FD_t* file, hid_t, hbool_t) {
  Output& out = output(file);
  out.end_of_file = out.end_of_allocation;
  if (*out.target.error == 0 && ftruncate(out.target.descriptor, static_cast<off_t>(out.end_of_file)) != 0)
    *out.target.error = errno;
  return 0;
}

H5FD_class_t driver_class() {
  constexpr H5FD_mem_t one_list_for_raw_data_one_for_the_rest[H5FD_MEM_NTYPES] = H5FD_FLMAP_DICHOTOMY;
  H5FD_class_t driver{};
#ifdef H5FD_CLASS_VERSION
  driver.version = H5FD_CLASS_VERSION;
  driver.value =
      static_cast<H5FD_class_value_t>(H5_VFD_RESERVED);  // the first number for drivers that are not HDF5's own
#endif
  driver.name = "halftone_output";
  driver.maxaddr = static_cast<haddr_t>(std::numeric_limits<off_t>::max());
  driver.fc_degree = H5F_CLOSE_STRONG;
  driver.fapl_size = sizeof(Target);
  driver.open = open_output;
  driver.close = close_output;
  driver.cmp = compare;
  driver.query = query;
  driver.get_eoa = end_of_allocation;
  driver.set_eoa = set_end_of_allocation;
  driver.get_eof = end_of_file;
  driver.read = read_output;
  driver.write = write_output;
  driver.truncate = truncate_output;
  std::copy_n(one_list_for_raw_data_one_for_the_rest, +H5FD_MEM_NTYPES, driver.fl_map);
  return driver;
}

/// Keeps all metadata in memory until the file closes: HDF5 must never need to read back a dropped write.
void keep_metadata(hid_t access) {
  H5AC_cache_config_t cache;
  cache.version = H5AC__CURR_CACHE_CONFIG_VERSION;
  H5Pget_mdc_config(access, &cache);
  cache.evictions_enabled = false;
  cache.incr_mode = H5C_incr__off;
  cache.flash_incr_mode = H5C_flash_incr__off;
  cache.decr_mode = H5C_decr__off;
  H5Pset_mdc_config(access, &cache);
}

}  // namespace

Handle create_output(int descriptor, int& error, const std::string& path) {
  static const H5FD_class_t driver = driver_class();
  const Handle driver_id(H5FDregister(&driver), H5FDunregister);
  const Handle creation(H5Pcreate(H5P_FILE_CREATE), H5Pclose), access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_link_creation_order(creation.id(), H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  const Target target{descriptor, &error};
  H5Pset_driver(access.id(), driver_id.id(), &target);
  keep_metadata(access.id());
  Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.id(), access.id()), H5Fclose);
  if (file.id() < 0) throw FileError(path, "cannot create: " + hdf5_reason());
  return file;
}

}  // namespace halftone::io
