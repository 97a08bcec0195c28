// Device memory, and the time of work on the device.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace halftone::bench {

/// Memory of the current device; throws Error when there is not enough.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(std::size_t bytes);
  DeviceBuffer(DeviceBuffer&& other) noexcept;
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept;
  ~DeviceBuffer();

  template <class T>
  static DeviceBuffer copy_of(std::span<const T> host) {
    DeviceBuffer buffer(host.size_bytes());
    buffer.upload(host.data(), host.size_bytes());
    return buffer;
  }

  void upload(const void* host, std::size_t bytes);
  void download(void* host, std::size_t bytes) const;
  void* get() const { return data_; }
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void* data_ = nullptr;
};

/// Empty, or why nothing can run here.
std::string device_refusal();
/// "NVIDIA H200, 132 multiprocessors".
std::string device_name();
double used_memory_mib();

/// Something to time: enqueues itself on a stream.
using Launch = std::function<void(cudaStream_t)>;

/// Seconds of single launches, from device events on a stream of its own.
class Timer {
 public:
  Timer();
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  cudaStream_t stream() const { return stream_; }

  /// Cold: after reading twice the L2 cache, so that no timed call pays for writing the flush back. Either way the
  /// device is first kept busy for some microseconds, so that the launch's own cost on the host is hidden, as it is in
  /// a model.
  double seconds(const Launch& launch, bool cold);

  /// `samples` of each launch, taking turns, so that a drift of the clocks meets all of them alike.
  std::vector<std::vector<double>> take_turns(std::span<const Launch> launches, int samples, bool cold);

 private:
  cudaStream_t stream_ = nullptr;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
  std::size_t flush_bytes_;
  DeviceBuffer flush_;
};

}  // namespace halftone::bench
