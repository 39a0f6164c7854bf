#include "cpu/edge_pad.h"

#include <algorithm>

namespace attnunet::cpu {

template <class T>
void edge_pad_forward(Device& device, Values<T> y, Const<Values<T>> x, const Shape& in, Index H, Index W) {
  require_dense(x, in.pixels(), in.C);
  require_dense(y, in.N * H * W, in.C);
  const Index C = in.C;
#pragma omp parallel for collapse(2) schedule(static) num_threads(device.threads())
  for (Index n = 0; n < in.N; ++n)
    for (Index i = 0; i < H; ++i) {
      const T* from = x.data + (n * in.H + std::min(i, in.H - 1)) * in.W * C;
      T* to = y.data + (n * H + i) * W * C;
      std::copy(from, from + in.W * C, to);
      for (Index j = in.W; j < W; ++j) std::copy(from + (in.W - 1) * C, from + in.W * C, to + j * C);
    }
}

template <class T>
void edge_pad_backward(Device& device, Gradients<T> dx, Const<Gradients<T>> dy, const Shape& in, Index H, Index W) {
  require_dense(dx, in.pixels(), in.C);
  require_dense(dy, in.N * H * W, in.C);
  const Index C = in.C;
#pragma omp parallel for collapse(2) schedule(static) num_threads(device.threads())
  for (Index n = 0; n < in.N; ++n)
    for (Index a = 0; a < in.H; ++a) {
      T* to = dx.data + (n * in.H + a) * in.W * C;
      std::fill(to, to + in.W * C, T(0));
      const Index last = a == in.H - 1 ? H - 1 : a;
      for (Index i = a; i <= last; ++i)
        for (Index j = 0; j < W; ++j) {
          const T* from = dy.data + ((n * H + i) * W + j) * C;
          T* pixel = to + std::min(j, in.W - 1) * C;
          for (Index c = 0; c < C; ++c) pixel[c] += from[c];
        }
    }
}

template void edge_pad_forward(Device&, Values<float>, Values<const float>, const Shape&, Index, Index);
template void edge_pad_forward(Device&, Values<double>, Values<const double>, const Shape&, Index, Index);
template void edge_pad_backward(Device&, Gradients<float>, Gradients<const float>, const Shape&, Index, Index);
template void edge_pad_backward(Device&, Gradients<double>, Gradients<const double>, const Shape&, Index, Index);

}  // namespace attnunet::cpu
