#include "common/core/stable_sigmoid.h"
#include "cuda/kernel.h"
#include "cuda/sigmoid.h"

namespace attnunet::cuda {
namespace {

template <class T>
__global__ void sigmoid_forward_kernel(T* y, const T* x, Index n) {
  const Index i = thread_of_grid();
  if (i < n) y[i] = stable_sigmoid(x[i]);
}

template <class T>
__global__ void sigmoid_backward_kernel(T* dx, const T* dy, const T* y, Index n) {
  const Index i = thread_of_grid();
  if (i < n) dx[i] = dy[i] * y[i] * (T(1) - y[i]);
}

}  // namespace

template <class M, class T>
void sigmoid_forward(Device<M>& device, Values<T> y, Const<Values<T>> x) {
  const Index n = size_of_same(y, x);
  launch(device, {"sigmoid_forward", blocks_for(n, block_threads), block_threads}, sigmoid_forward_kernel<T>, y.data,
         x.data, n);
}

template <class M, class T>
void sigmoid_backward(Device<M>& device, Gradients<T> dx, Const<Gradients<T>> dy, Const<Values<T>> y) {
  const Index n = size_of_same(dx, dy, y);
  launch(device, {"sigmoid_backward", blocks_for(n, block_threads), block_threads}, sigmoid_backward_kernel<T>, dx.data,
         dy.data, y.data, n);
}

template void sigmoid_forward(ThisDevice&, Values<float>, Values<const float>);
template void sigmoid_forward(ThisDevice&, Values<double>, Values<const double>);
template void sigmoid_backward(ThisDevice&, Gradients<float>, Gradients<const float>, Values<const float>);
template void sigmoid_backward(ThisDevice&, Gradients<double>, Gradients<const double>, Values<const double>);

}  // namespace attnunet::cuda
