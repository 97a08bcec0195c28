// Block masks and landmarks in device memory.
#pragma once

#include <vector>

#include "device.hpp"
#include "halftone/core/attention_params.hpp"
#include "masks.hpp"

namespace halftone::bench {

class DeviceMask {
 public:
  explicit DeviceMask(const MaskArrays& mask);
  const BlockMaskView& view() const { return view_; }

 private:
  std::vector<DeviceBuffer> arrays_;
  BlockMaskView view_;
};

/// The means of a request's keys and values over each key block of a mask, for the blocks that the mask leaves out of
/// what a query tile sees whole.
class DeviceLandmarks {
 public:
  DeviceLandmarks(const AttentionParams& request, const MaskArrays& mask, cudaStream_t stream);
  const LandmarkView& view() const { return view_; }

 private:
  DeviceBuffer key_, value_, bias_;
  LandmarkView view_;
};

}  // namespace halftone::bench
