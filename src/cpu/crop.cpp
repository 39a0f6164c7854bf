#include "cpu/crop.h"

#include <algorithm>

namespace attnunet::cpu {

template <class T>
void crop_forward(Device& device, Values<T> y, Const<Values<T>> x, const Shape& out, Index H, Index W) {
  require_dense(y, out.pixels(), out.C);
  require_dense(x, out.N * H * W, out.C);
  const Index row = out.W * out.C;
#pragma omp parallel for collapse(2) schedule(static) num_threads(device.threads())
  for (Index n = 0; n < out.N; ++n)
    for (Index i = 0; i < out.H; ++i)
      std::copy_n(x.data + (n * H + i) * W * out.C, row, y.data + (n * out.H + i) * row);
}

template <class T>
void crop_backward(Device& device, Gradients<T> dx, Const<Gradients<T>> dy, const Shape& out, Index H, Index W) {
  require_dense(dy, out.pixels(), out.C);
  require_dense(dx, out.N * H * W, out.C);
  const Index row = out.W * out.C;
#pragma omp parallel for collapse(2) schedule(static) num_threads(device.threads())
  for (Index n = 0; n < out.N; ++n)
    for (Index i = 0; i < H; ++i) {
      T* to = dx.data + (n * H + i) * W * out.C;
      const Index kept = i < out.H ? row : 0;
      if (kept > 0) std::copy_n(dy.data + (n * out.H + i) * row, kept, to);
      std::fill(to + kept, to + W * out.C, T(0));
    }
}

template void crop_forward(Device&, Values<float>, Values<const float>, const Shape&, Index, Index);
template void crop_forward(Device&, Values<double>, Values<const double>, const Shape&, Index, Index);
template void crop_backward(Device&, Gradients<float>, Gradients<const float>, const Shape&, Index, Index);
template void crop_backward(Device&, Gradients<double>, Gradients<const double>, const Shape&, Index, Index);

}  // namespace attnunet::cpu
