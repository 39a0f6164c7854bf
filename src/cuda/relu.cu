#include "cuda/kernel.h"
#include "cuda/relu.h"

namespace attnunet::cuda {
namespace {

template <class T>
__global__ void relu_forward_kernel(T* y, const T* x, Index n) {
  const Index i = thread_of_grid();
  if (i < n) y[i] = x[i] <= T(0) ? T(0) : x[i];
}

template <class T>
__global__ void relu_backward_kernel(T* dx, const T* dy, const T* y, Index n) {
  const Index i = thread_of_grid();
  if (i < n) dx[i] = y[i] <= T(0) ? T(0) : dy[i];
}

}  // namespace

template <class M, class T>
void relu_forward(Device<M>& device, Values<T> y, Const<Values<T>> x) {
  const Index n = size_of_same(y, x);
  launch(device, {"relu_forward", blocks_for(n, block_threads), block_threads}, relu_forward_kernel<T>, y.data, x.data,
         n);
}

template <class M, class T>
void relu_backward(Device<M>& device, Gradients<T> dx, Const<Gradients<T>> dy, Const<Values<T>> y) {
  const Index n = size_of_same(dx, dy, y);
  launch(device, {"relu_backward", blocks_for(n, block_threads), block_threads}, relu_backward_kernel<T>, dx.data,
         dy.data, y.data, n);
}

template void relu_forward(ThisDevice&, Values<float>, Values<const float>);
template void relu_forward(ThisDevice&, Values<double>, Values<const double>);
template void relu_backward(ThisDevice&, Gradients<float>, Gradients<const float>, Values<const float>);
template void relu_backward(ThisDevice&, Gradients<double>, Gradients<const double>, Values<const double>);

}  // namespace attnunet::cuda
