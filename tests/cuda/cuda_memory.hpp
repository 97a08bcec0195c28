// Device memory for tests of the CUDA kernels.
#pragma once

#include <cuda_runtime.h>

#include <vector>

#include "halftone/cuda_specialized/common/check.hpp"
#include "kernels/problem.hpp"

namespace halftone::testing {

class CudaMemory : public Memory {
 public:
  ~CudaMemory() override {
    for (void* block : blocks_) cudaFree(block);
  }
  void* upload(const void* host, std::size_t bytes) override {
    void* block = allocate(bytes);
    HALFTONE_CUDA_CHECK(cudaMemcpy(block, host, bytes, cudaMemcpyHostToDevice));
    return block;
  }
  void download(void* host, const void* there, std::size_t bytes) override {
    HALFTONE_CUDA_CHECK(cudaDeviceSynchronize());
    HALFTONE_CUDA_CHECK(cudaMemcpy(host, there, bytes, cudaMemcpyDeviceToHost));
  }
  void* allocate(std::size_t bytes) {
    void* block = nullptr;
    HALFTONE_CUDA_CHECK(cudaMalloc(&block, bytes));
    blocks_.push_back(block);
    return block;
  }

 private:
  std::vector<void*> blocks_;
};

inline bool has_cuda_device() {
  int count = 0;
  const bool found = cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
  cudaGetLastError();
  return found;
}

}  // namespace halftone::testing
