#include "cuda/crop.h"
#include "cuda/kernel.h"
#include "cuda/rows.h"

namespace attnunet::cuda {
namespace {

template <class T>
__global__ void crop_forward_kernel(T* y, const T* x, Shape out, Index H, Index W) {
  const Index n = row_of_grid() / out.H, i = row_of_grid() % out.H, kept = out.W * out.C;
  const T* from = x + (n * H + i) * W * out.C;
  for (Index e = first_of_row(); e < kept; e += row_step()) y[row_of_grid() * kept + e] = from[e];
}

template <class T>
__global__ void crop_backward_kernel(T* dx, const T* dy, Shape out, Index H, Index W) {
  const Index n = row_of_grid() / H, i = row_of_grid() % H, row = W * out.C;
  const Index kept = i < out.H ? out.W * out.C : 0;
  const T* from = dy + (n * out.H + i) * out.W * out.C;  // not read below the crop
  for (Index e = first_of_row(); e < row; e += row_step()) dx[row_of_grid() * row + e] = e < kept ? from[e] : T(0);
}

}  // namespace

template <class M, class T>
void crop_forward(Device<M>& device, Values<T> y, Const<Values<T>> x, const Shape& out, Index H, Index W) {
  require_dense(y, out.pixels(), out.C);
  require_dense(x, out.N * H * W, out.C);
  launch(device, {"crop_forward", grid_of_rows(out.N * out.H, out.W * out.C, row_threads), row_threads},
         crop_forward_kernel<T>, y.data, x.data, out, H, W);
}

template <class M, class T>
void crop_backward(Device<M>& device, Gradients<T> dx, Const<Gradients<T>> dy, const Shape& out, Index H, Index W) {
  require_dense(dy, out.pixels(), out.C);
  require_dense(dx, out.N * H * W, out.C);
  launch(device, {"crop_backward", grid_of_rows(out.N * H, W * out.C, row_threads), row_threads},
         crop_backward_kernel<T>, dx.data, dy.data, out, H, W);
}

template void crop_forward(ThisDevice&, Values<float>, Values<const float>, const Shape&, Index, Index);
template void crop_forward(ThisDevice&, Values<double>, Values<const double>, const Shape&, Index, Index);
template void crop_backward(ThisDevice&, Gradients<float>, Gradients<const float>, const Shape&, Index, Index);
template void crop_backward(ThisDevice&, Gradients<double>, Gradients<const double>, const Shape&, Index, Index);

}  // namespace attnunet::cuda
