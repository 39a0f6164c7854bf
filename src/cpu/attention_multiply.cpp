#include "cpu/attention_multiply.h"

namespace attnunet::cpu {

template <class T>
void attention_multiply_forward(Device& device, Values<T> y, Const<Values<T>> x, Const<Values<T>> alpha) {
  const Index pixels = x.pixels, C = x.channels;
  require_shape(y, pixels, C);
  require_dense(x, pixels, C);
  require_dense(alpha, pixels, 1);
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index p = 0; p < pixels; ++p) {
    T* to = y.data + p * y.stride;
    const T* from = x.data + p * C;
    const T weight = alpha.data[p];
#pragma omp simd
    for (Index c = 0; c < C; ++c) to[c] = from[c] * weight;
  }
}

template <class T>
void attention_multiply_backward(Device& device, Gradients<T> dx, Gradients<T> dalpha, Const<Gradients<T>> dy,
                                 Const<Values<T>> x, Const<Values<T>> alpha) {
  const Index pixels = x.pixels, C = x.channels;
  require_dense(dx, pixels, C);
  require_dense(dalpha, pixels, 1);
  require_shape(dy, pixels, C);
  require_dense(x, pixels, C);
  require_dense(alpha, pixels, 1);
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index p = 0; p < pixels; ++p) {
    T* to = dx.data + p * C;
    const T *from = dy.data + p * dy.stride, *skip = x.data + p * C;
    const T weight = alpha.data[p];
    T sum = 0;
#pragma omp simd reduction(+ : sum)
    for (Index c = 0; c < C; ++c) {
      const T upstream = from[c];
      sum += upstream * skip[c];
      to[c] = upstream * weight;
    }
    dalpha.data[p] = sum;
  }
}

template void attention_multiply_forward(Device&, Values<float>, Values<const float>, Values<const float>);
template void attention_multiply_forward(Device&, Values<double>, Values<const double>, Values<const double>);
template void attention_multiply_backward(Device&, Gradients<float>, Gradients<float>, Gradients<const float>,
                                          Values<const float>, Values<const float>);
template void attention_multiply_backward(Device&, Gradients<double>, Gradients<double>, Gradients<const double>,
                                          Values<const double>, Values<const double>);

}  // namespace attnunet::cpu
