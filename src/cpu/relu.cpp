#include "cpu/relu.h"

namespace attnunet::cpu {

template <class T>
void relu_forward(Device& device, T* y, const T* x, Index n) {
#pragma omp parallel for simd schedule(static) num_threads(device.threads())
  for (Index i = 0; i < n; ++i) y[i] = x[i] > T(0) ? x[i] : T(0);
}

template <class T>
void relu_backward(Device& device, T* dx, const T* dy, const T* y, Index n) {
#pragma omp parallel for simd schedule(static) num_threads(device.threads())
  for (Index i = 0; i < n; ++i) dx[i] = y[i] > T(0) ? dy[i] : T(0);
}

template void relu_forward(Device&, float*, const float*, Index);
template void relu_forward(Device&, double*, const double*, Index);
template void relu_backward(Device&, float*, const float*, const float*, Index);
template void relu_backward(Device&, double*, const double*, const double*, Index);

}  // namespace attnunet::cpu
