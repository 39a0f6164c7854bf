#include "cpu/edge_pad.h"

#include <algorithm>

namespace attnunet::cpu {

template <class T>
void edge_pad_forward(Device& device, T* y, const T* x, const Shape& in, Index H, Index W) {
  const Index C = in.C;
#pragma omp parallel for collapse(2) schedule(static) num_threads(device.threads())
  for (Index n = 0; n < in.N; ++n)
    for (Index i = 0; i < H; ++i) {
      const T* from = x + (n * in.H + std::min(i, in.H - 1)) * in.W * C;
      T* to = y + (n * H + i) * W * C;
      std::copy(from, from + in.W * C, to);
      for (Index j = in.W; j < W; ++j) std::copy(from + (in.W - 1) * C, from + in.W * C, to + j * C);
    }
}

template <class T>
void edge_pad_backward(Device& device, T* dx, const T* dy, const Shape& in, Index H, Index W) {
  const Index C = in.C;
#pragma omp parallel for collapse(2) schedule(static) num_threads(device.threads())
  for (Index n = 0; n < in.N; ++n)
    for (Index a = 0; a < in.H; ++a) {
      T* to = dx + (n * in.H + a) * in.W * C;
      std::fill(to, to + in.W * C, T(0));
      const Index last = a == in.H - 1 ? H - 1 : a;
      for (Index i = a; i <= last; ++i)
        for (Index j = 0; j < W; ++j) {
          const T* from = dy + ((n * H + i) * W + j) * C;
          T* pixel = to + std::min(j, in.W - 1) * C;
          for (Index c = 0; c < C; ++c) pixel[c] += from[c];
        }
    }
}

template void edge_pad_forward(Device&, float*, const float*, const Shape&, Index, Index);
template void edge_pad_forward(Device&, double*, const double*, const Shape&, Index, Index);
template void edge_pad_backward(Device&, float*, const float*, const Shape&, Index, Index);
template void edge_pad_backward(Device&, double*, const double*, const Shape&, Index, Index);

}  // namespace attnunet::cpu
