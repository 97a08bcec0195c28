// Stands in for common/current_device.cpp in builds without CUDA.
#include "halftone/cuda_specialized/common/current_device.hpp"

namespace halftone::cuda {

CurrentDevice::CurrentDevice(int) {}
CurrentDevice::~CurrentDevice() = default;

}  // namespace halftone::cuda
