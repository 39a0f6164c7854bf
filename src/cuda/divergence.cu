#include "cuda/divergence.h"
#include "cuda/kernel.h"

namespace attnunet::cuda {
namespace {

__global__ void record_divergence_kernel(Index* first, const double* losses, Index N, Index step) {
  bool finite = true;
  for (Index n = Index{threadIdx.x}; n < N; n += warp_size)
    finite = finite && losses[n] - losses[n] == 0;  // NaN - NaN and infinity - infinity are NaN
  const bool diverged = warp_ballot(!finite) != 0;
  if (threadIdx.x == 0 && diverged && *first == 0) *first = step;
}

}  // namespace

template <class M>
void record_divergence(Device<M>& device, Index* first, const double* losses, Index N, Index step) {
  launch(device, {"record_divergence", 1, warp_size}, record_divergence_kernel, first, losses, N, step);
}

template void record_divergence(ThisDevice&, Index*, const double*, Index, Index);

}  // namespace attnunet::cuda
