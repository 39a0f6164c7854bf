#include "cpu/sigmoid.h"

#include "common/core/stable_sigmoid.h"

namespace attnunet::cpu {

template <class T>
void sigmoid_forward(Device& device, T* y, const T* x, Index n) {
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index i = 0; i < n; ++i) y[i] = stable_sigmoid(x[i]);
}

template <class T>
void sigmoid_backward(Device& device, T* dx, const T* dy, const T* y, Index n) {
#pragma omp parallel for simd schedule(static) num_threads(device.threads())
  for (Index i = 0; i < n; ++i) dx[i] = dy[i] * y[i] * (T(1) - y[i]);
}

template void sigmoid_forward(Device&, float*, const float*, Index);
template void sigmoid_forward(Device&, double*, const double*, Index);
template void sigmoid_backward(Device&, float*, const float*, const float*, Index);
template void sigmoid_backward(Device&, double*, const double*, const double*, Index);

}  // namespace attnunet::cpu
