// What stands for cuDNN where it was not found at build time.
#include "cudnn_attention.hpp"
#include "halftone/core/error.hpp"

namespace halftone::bench {

struct CudnnAttention::Impl {};

std::string CudnnAttention::unavailable() { return "cuDNN not found at build time"; }
std::string CudnnAttention::version() { return "none"; }
CudnnAttention::CudnnAttention(const AttentionParams&, int) { throw Unsupported(unavailable()); }
CudnnAttention::~CudnnAttention() = default;
int CudnnAttention::plans() const { return 0; }
std::string CudnnAttention::name(int) const { return ""; }
std::size_t CudnnAttention::workspace_bytes() const { return 0; }
void CudnnAttention::bind(const AttentionParams&, void*) {}
void CudnnAttention::run(int, cudaStream_t) {}

}  // namespace halftone::bench
