#include "common/core/stable_sigmoid.h"
#include "cuda/kernel.h"
#include "cuda/sigmoid.h"

namespace attnunet::cuda {
namespace {

constexpr unsigned threads = 256;

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
void sigmoid_forward(Device<M>& device, T* y, const T* x, Index n) {
  launch(device, {"sigmoid_forward", blocks_for(n, threads), threads}, sigmoid_forward_kernel<T>, y, x, n);
}

template <class M, class T>
void sigmoid_backward(Device<M>& device, T* dx, const T* dy, const T* y, Index n) {
  launch(device, {"sigmoid_backward", blocks_for(n, threads), threads}, sigmoid_backward_kernel<T>, dx, dy, y, n);
}

template void sigmoid_forward(ThisDevice&, float*, const float*, Index);
template void sigmoid_forward(ThisDevice&, double*, const double*, Index);
template void sigmoid_backward(ThisDevice&, float*, const float*, const float*, Index);
template void sigmoid_backward(ThisDevice&, double*, const double*, const double*, Index);

}  // namespace attnunet::cuda
