#include "cpu/add.h"

namespace attnunet::cpu {

template <class T>
void add_forward(Device& device, T* y, const T* a, const T* b, Index n) {
#pragma omp parallel for simd schedule(static) num_threads(device.threads())
  for (Index i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

template void add_forward(Device&, float*, const float*, const float*, Index);
template void add_forward(Device&, double*, const double*, const double*, Index);

}  // namespace attnunet::cpu
