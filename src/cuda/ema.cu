#include "cuda/ema.h"
#include "cuda/kernel.h"

namespace attnunet::cuda {
namespace {

template <class T>
__global__ void ema_step_kernel(T* e, const T* w, Index n, T share) {
  const Index i = thread_of_grid();
  if (i < n) e[i] += share * (w[i] - e[i]);
}

}  // namespace

template <class M, class T>
void ema_step(Device<M>& device, T* e, const T* w, Index n, double decay) {
  launch(device, {"ema_step", blocks_for(n, block_threads), block_threads}, ema_step_kernel<T>, e, w, n,
         static_cast<T>(1 - decay));
}

template void ema_step(ThisDevice&, float*, const float*, Index, double);
template void ema_step(ThisDevice&, double*, const double*, Index, double);

}  // namespace attnunet::cuda
