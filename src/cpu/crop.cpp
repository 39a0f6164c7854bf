#include "cpu/crop.h"

#include <algorithm>

namespace attnunet::cpu {

template <class T>
void crop_forward(Device& device, T* y, const T* x, const Shape& out, Index H, Index W) {
  const Index row = out.W * out.C;
#pragma omp parallel for collapse(2) schedule(static) num_threads(device.threads())
  for (Index n = 0; n < out.N; ++n)
    for (Index i = 0; i < out.H; ++i) std::copy_n(x + (n * H + i) * W * out.C, row, y + (n * out.H + i) * row);
}

template <class T>
void crop_backward(Device& device, T* dx, const T* dy, const Shape& out, Index H, Index W) {
  const Index row = out.W * out.C;
#pragma omp parallel for collapse(2) schedule(static) num_threads(device.threads())
  for (Index n = 0; n < out.N; ++n)
    for (Index i = 0; i < H; ++i) {
      T* to = dx + (n * H + i) * W * out.C;
      const Index kept = i < out.H ? row : 0;
      if (kept > 0) std::copy_n(dy + (n * out.H + i) * row, kept, to);
      std::fill(to + kept, to + W * out.C, T(0));
    }
}

template void crop_forward(Device&, float*, const float*, const Shape&, Index, Index);
template void crop_forward(Device&, double*, const double*, const Shape&, Index, Index);
template void crop_backward(Device&, float*, const float*, const Shape&, Index, Index);
template void crop_backward(Device&, double*, const double*, const Shape&, Index, Index);

}  // namespace attnunet::cpu
