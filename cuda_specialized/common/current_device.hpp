// Working on a device that is not the thread's current one.
#pragma once

namespace halftone::cuda {

/// Makes `device` the thread's current one, and the one before it again at the end. Throws Error when there is no such
/// device; does nothing in builds without CUDA, whose kernels refuse.
class CurrentDevice {
 public:
  explicit CurrentDevice(int device);
  CurrentDevice(const CurrentDevice&) = delete;
  ~CurrentDevice();

 private:
  int before_ = -1;  ///< -1: nothing to restore
};

}  // namespace halftone::cuda
