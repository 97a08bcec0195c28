// Device memory that is reused from call to call.
#pragma once

#include <cstddef>

namespace halftone::cuda {

/// Grows when more is asked for than it has, and then waits for the device: calls of the same size do neither, and so
/// may be captured into a CUDA graph after a first one. Work on one workspace must follow one another on one stream.
class Workspace {
 public:
  Workspace() = default;
  Workspace(Workspace&& other) noexcept;
  Workspace& operator=(Workspace&& other) noexcept;
  ~Workspace();

  /// At least `bytes` bytes at a multiple of 256; what lay there before is lost. Throws Error when there is not so
  /// much.
  void* reserve(std::size_t bytes);
  std::size_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace halftone::cuda
