#include "cpu/relu.h"

namespace attnunet::cpu {

template <class T>
void relu_forward(Device& device, Values<T> y_values, Const<Values<T>> x_values) {
  const Index n = size_of_same(y_values, x_values);
  T* y = y_values.data;
  const T* x = x_values.data;
#pragma omp parallel for simd schedule(static) num_threads(device.threads())
  for (Index i = 0; i < n; ++i) y[i] = x[i] <= T(0) ? T(0) : x[i];
}

template <class T>
void relu_backward(Device& device, Gradients<T> dx_gradients, Const<Gradients<T>> dy_gradients,
                   Const<Values<T>> y_values) {
  const Index n = size_of_same(dx_gradients, dy_gradients, y_values);
  T* dx = dx_gradients.data;
  const T *dy = dy_gradients.data, *y = y_values.data;
#pragma omp parallel for simd schedule(static) num_threads(device.threads())
  for (Index i = 0; i < n; ++i) dx[i] = y[i] <= T(0) ? T(0) : dy[i];
}

template void relu_forward(Device&, Values<float>, Values<const float>);
template void relu_forward(Device&, Values<double>, Values<const double>);
template void relu_backward(Device&, Gradients<float>, Gradients<const float>, Values<const float>);
template void relu_backward(Device&, Gradients<double>, Gradients<const double>, Values<const double>);

}  // namespace attnunet::cpu
