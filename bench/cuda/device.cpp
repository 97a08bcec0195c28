#include "device.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "device_data.hpp"
#include "halftone/core/error.hpp"
#include "halftone/cuda_specialized/common/check.hpp"

namespace halftone::bench {
namespace {

int attribute(cudaDeviceAttr which) {
  int device = 0, value = 0;
  HALFTONE_CUDA_CHECK(cudaGetDevice(&device));
  HALFTONE_CUDA_CHECK(cudaDeviceGetAttribute(&value, which, device));
  return value;
}

}  // namespace

DeviceBuffer::DeviceBuffer(std::size_t bytes) {
  HALFTONE_CUDA_CHECK(cudaMalloc(&data_, std::max<std::size_t>(bytes, 1)));
}
DeviceBuffer::DeviceBuffer(DeviceBuffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
DeviceBuffer& DeviceBuffer::operator=(DeviceBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  return *this;
}
DeviceBuffer::~DeviceBuffer() { cudaFree(data_); }

void DeviceBuffer::upload(const void* host, std::size_t bytes) {
  HALFTONE_CUDA_CHECK(cudaMemcpy(data_, host, bytes, cudaMemcpyHostToDevice));
  HALFTONE_CUDA_CHECK(cudaDeviceSynchronize());  // from pageable memory the copy may return early
}
void DeviceBuffer::download(void* host, std::size_t bytes) const {
  HALFTONE_CUDA_CHECK(cudaMemcpy(host, data_, bytes, cudaMemcpyDeviceToHost));
}

std::string device_refusal() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  cudaGetLastError();
  if (status != cudaSuccess) return fmt::format("no CUDA device: {}", cudaGetErrorString(status));
  return count == 0 ? "no CUDA device" : "";
}

std::string device_name() {
  int device = 0;
  cudaDeviceProp properties{};
  HALFTONE_CUDA_CHECK(cudaGetDevice(&device));
  HALFTONE_CUDA_CHECK(cudaGetDeviceProperties(&properties, device));
  return fmt::format("{}, {} multiprocessors", properties.name, properties.multiProcessorCount);
}

double used_memory_mib() {
  std::size_t free = 0, total = 0;
  HALFTONE_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return static_cast<double>(total - free) / (1024.0 * 1024.0);
}

Timer::Timer() : flush_bytes_(2 * static_cast<std::size_t>(attribute(cudaDevAttrL2CacheSize))), flush_(flush_bytes_) {
  HALFTONE_CUDA_CHECK(cudaMemset(flush_.get(), 0x5a, flush_bytes_));
  HALFTONE_CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  HALFTONE_CUDA_CHECK(cudaEventCreate(&begin_));
  HALFTONE_CUDA_CHECK(cudaEventCreate(&end_));
}

Timer::~Timer() {
  cudaEventDestroy(end_);
  cudaEventDestroy(begin_);
  cudaStreamDestroy(stream_);
}

double Timer::seconds(const Launch& launch, bool cold) {
  if (cold) read_all(flush_.get(), flush_bytes_, stream_);
  keep_busy(stream_);
  HALFTONE_CUDA_CHECK(cudaEventRecord(begin_, stream_));
  launch(stream_);
  HALFTONE_CUDA_CHECK(cudaEventRecord(end_, stream_));
  HALFTONE_CUDA_CHECK(cudaEventSynchronize(end_));
  HALFTONE_CUDA_CHECK(cudaGetLastError());
  float milliseconds = 0.0f;
  HALFTONE_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, begin_, end_));
  return milliseconds * 1e-3;
}

std::vector<std::vector<double>> Timer::take_turns(std::span<const Launch> launches, int samples, bool cold) {
  std::vector<std::vector<double>> times(launches.size());
  for (int sample = 0; sample < samples; ++sample)
    for (std::size_t i = 0; i < launches.size(); ++i) times[i].push_back(seconds(launches[i], cold));
  return times;
}

}  // namespace halftone::bench
