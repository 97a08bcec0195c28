#include "halftone/cuda_specialized/common/workspace.hpp"

#include <utility>

#include "halftone/cuda_specialized/common/check.hpp"

namespace halftone::cuda {

Workspace::Workspace(Workspace&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Workspace& Workspace::operator=(Workspace&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Workspace::~Workspace() { cudaFree(data_); }

void* Workspace::reserve(std::size_t bytes) {
  if (bytes > bytes_) {
    HALFTONE_CUDA_CHECK(cudaFree(data_));  // waits for the kernels that use it
    data_ = nullptr;
    bytes_ = 0;
    HALFTONE_CUDA_CHECK(cudaMalloc(&data_, bytes));
    bytes_ = bytes;
  }
  return data_;
}

}  // namespace halftone::cuda
