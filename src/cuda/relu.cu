#include "cuda/kernel.h"
#include "cuda/relu.h"

namespace attnunet::cuda {
namespace {

constexpr unsigned threads = 256;

template <class T>
__global__ void relu_forward_kernel(T* y, const T* x, Index n) {
  const Index i = thread_of_grid();
  if (i < n) y[i] = x[i] > T(0) ? x[i] : T(0);
}

template <class T>
__global__ void relu_backward_kernel(T* dx, const T* dy, const T* y, Index n) {
  const Index i = thread_of_grid();
  if (i < n) dx[i] = y[i] > T(0) ? dy[i] : T(0);
}

}  // namespace

template <class M, class T>
void relu_forward(Device<M>& device, T* y, const T* x, Index n) {
  launch(device, {"relu_forward", blocks_for(n, threads), threads}, relu_forward_kernel<T>, y, x, n);
}

template <class M, class T>
void relu_backward(Device<M>& device, T* dx, const T* dy, const T* y, Index n) {
  launch(device, {"relu_backward", blocks_for(n, threads), threads}, relu_backward_kernel<T>, dx, dy, y, n);
}

template void relu_forward(ThisDevice&, float*, const float*, Index);
template void relu_forward(ThisDevice&, double*, const double*, Index);
template void relu_backward(ThisDevice&, float*, const float*, const float*, Index);
template void relu_backward(ThisDevice&, double*, const double*, const double*, Index);

}  // namespace attnunet::cuda
