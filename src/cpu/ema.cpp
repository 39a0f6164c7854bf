#include "cpu/ema.h"

namespace attnunet::cpu {

template <class T>
void ema_step(Device& device, T* e, const T* w, Index n, double decay) {
  const T share = static_cast<T>(1 - decay);
#pragma omp parallel for simd schedule(static) num_threads(device.threads())
  for (Index i = 0; i < n; ++i) e[i] += share * (w[i] - e[i]);
}

template void ema_step(Device&, float*, const float*, Index, double);
template void ema_step(Device&, double*, const double*, Index, double);

}  // namespace attnunet::cpu
