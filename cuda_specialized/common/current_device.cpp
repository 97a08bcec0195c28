#include "halftone/cuda_specialized/common/current_device.hpp"

#include "halftone/cuda_specialized/common/check.hpp"

namespace halftone::cuda {

CurrentDevice::CurrentDevice(int device) {
  int before = 0;
  HALFTONE_CUDA_CHECK(cudaGetDevice(&before));
  if (before == device) return;
  HALFTONE_CUDA_CHECK(cudaSetDevice(device));
  before_ = before;
}

CurrentDevice::~CurrentDevice() {
  if (before_ >= 0) cudaSetDevice(before_);
}

}  // namespace halftone::cuda
