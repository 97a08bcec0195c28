// Stands in for common/workspace.cpp in builds without CUDA.
#include <utility>

#include "halftone/core/error.hpp"
#include "halftone/cuda_specialized/common/workspace.hpp"

namespace halftone::cuda {

Workspace::Workspace(Workspace&&) noexcept = default;
Workspace& Workspace::operator=(Workspace&&) noexcept = default;
Workspace::~Workspace() = default;

void* Workspace::reserve(std::size_t bytes) {
  if (bytes > 0) throw Unsupported("this build has no CUDA; configure with HALFTONE_ENABLE_CUDA=ON");
  return nullptr;
}

}  // namespace halftone::cuda
