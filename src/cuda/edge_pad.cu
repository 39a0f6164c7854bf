#include "cuda/edge_pad.h"
#include "cuda/kernel.h"
#include "cuda/rows.h"

namespace attnunet::cuda {
namespace {

template <class T>
__global__ void edge_pad_forward_kernel(T* y, const T* x, Shape in, Index H, Index W) {
  const Index n = row_of_grid() / H, i = row_of_grid() % H, row = W * in.C;
  const T* from = x + (n * in.H + (i < in.H ? i : in.H - 1)) * in.W * in.C;
  for (Index e = first_of_row(); e < row; e += row_step()) {
    const Index j = e / in.C, c = e % in.C;
    y[row_of_grid() * row + e] = from[(j < in.W ? j : in.W - 1) * in.C + c];
  }
}

template <class T>
__global__ void edge_pad_backward_kernel(T* dx, const T* dy, Shape in, Index H, Index W) {
  const Index n = row_of_grid() / in.H, a = row_of_grid() % in.H, row = in.W * in.C;
  const Index last_i = a == in.H - 1 ? H - 1 : a;
  for (Index e = first_of_row(); e < row; e += row_step()) {
    const Index b = e / in.C, c = e % in.C;
    const Index last_j = b == in.W - 1 ? W - 1 : b;
    T sum = 0;
    for (Index i = a; i <= last_i; ++i)
      for (Index j = b; j <= last_j; ++j) sum += dy[((n * H + i) * W + j) * in.C + c];
    dx[row_of_grid() * row + e] = sum;
  }
}

}  // namespace

template <class M, class T>
void edge_pad_forward(Device<M>& device, Values<T> y, Const<Values<T>> x, const Shape& in, Index H, Index W) {
  require_dense(x, in.pixels(), in.C);
  require_dense(y, in.N * H * W, in.C);
  launch(device, {"edge_pad_forward", grid_of_rows(in.N * H, W * in.C, row_threads), row_threads},
         edge_pad_forward_kernel<T>, y.data, x.data, in, H, W);
}

template <class M, class T>
void edge_pad_backward(Device<M>& device, Gradients<T> dx, Const<Gradients<T>> dy, const Shape& in, Index H, Index W) {
  require_dense(dx, in.pixels(), in.C);
  require_dense(dy, in.N * H * W, in.C);
  launch(device, {"edge_pad_backward", grid_of_rows(in.N * in.H, in.W * in.C, row_threads), row_threads},
         edge_pad_backward_kernel<T>, dx.data, dy.data, in, H, W);
}

template void edge_pad_forward(ThisDevice&, Values<float>, Values<const float>, const Shape&, Index, Index);
template void edge_pad_forward(ThisDevice&, Values<double>, Values<const double>, const Shape&, Index, Index);
template void edge_pad_backward(ThisDevice&, Gradients<float>, Gradients<const float>, const Shape&, Index, Index);
template void edge_pad_backward(ThisDevice&, Gradients<double>, Gradients<const double>, const Shape&, Index, Index);

}  // namespace attnunet::cuda
