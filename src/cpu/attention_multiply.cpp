#include "cpu/attention_multiply.h"

namespace attnunet::cpu {

template <class T>
void attention_multiply_forward(Device& device, T* y, const T* x, const T* alpha, Index pixels, Index C,
                                Index y_stride) {
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index p = 0; p < pixels; ++p) {
#pragma omp simd
    for (Index c = 0; c < C; ++c) y[p * y_stride + c] = x[p * C + c] * alpha[p];
  }
}

template <class T>
void attention_multiply_backward(Device& device, T* dx, T* dalpha, const T* dy, const T* x, const T* alpha,
                                 Index pixels, Index C, Index y_stride) {
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index p = 0; p < pixels; ++p) {
    T sum = 0;
#pragma omp simd reduction(+ : sum)
    for (Index c = 0; c < C; ++c) {
      const T upstream = dy[p * y_stride + c];
      sum += upstream * x[p * C + c];
      dx[p * C + c] = upstream * alpha[p];
    }
    dalpha[p] = sum;
  }
}

template void attention_multiply_forward(Device&, float*, const float*, const float*, Index, Index, Index);
template void attention_multiply_forward(Device&, double*, const double*, const double*, Index, Index, Index);
template void attention_multiply_backward(Device&, float*, float*, const float*, const float*, const float*, Index,
                                          Index, Index);
template void attention_multiply_backward(Device&, double*, double*, const double*, const double*, const double*, Index,
                                          Index, Index);

}  // namespace attnunet::cpu
