#include "cpu/max_pool.h"

#include <algorithm>

namespace attnunet::cpu {

template <class T>
void max_pool_forward(Device& device, Values<T> y, std::uint8_t* argmax, Const<Values<T>> x, const Shape& in) {
  require_dense(x, in.pixels(), in.C);
  require_dense(y, in.N * (in.H / 2) * (in.W / 2), in.C);
  const Index C = in.C, h = in.H / 2, w = in.W / 2;
#pragma omp parallel for collapse(2) schedule(static) num_threads(device.threads())
  for (Index n = 0; n < in.N; ++n)
    for (Index i = 0; i < h; ++i)
      for (Index j = 0; j < w; ++j) {
        const T* top = x.data + ((n * in.H + 2 * i) * in.W + 2 * j) * C;
        const T* bottom = top + in.W * C;
        const Index out = ((n * h + i) * w + j) * C;
        T* best = y.data + out;
        std::uint8_t* which = argmax + out;
#pragma omp simd
        for (Index c = 0; c < C; ++c) {
          const T window[4] = {top[c], top[C + c], bottom[c], bottom[C + c]};
          T value = window[0];
          std::uint8_t index = 0;
          for (std::uint8_t k = 1; k < 4; ++k) {
            const bool wins = (window[k] > value) | (window[k] != window[k]);
            value = wins ? window[k] : value;
            index = wins ? k : index;
          }
          best[c] = value;
          which[c] = index;
        }
      }
}

template <class T>
void max_pool_backward(Device& device, Gradients<T> dx, Const<Gradients<T>> dy, const std::uint8_t* argmax,
                       const Shape& in, Write write) {
  require_dense(dx, in.pixels(), in.C);
  require_dense(dy, in.N * (in.H / 2) * (in.W / 2), in.C);
  const Index C = in.C, h = in.H / 2, w = in.W / 2;
#pragma omp parallel for collapse(2) schedule(static) num_threads(device.threads())
  for (Index n = 0; n < in.N; ++n)
    for (Index row = 0; row < in.H; ++row) {
      T* to = dx.data + (n * in.H + row) * in.W * C;
      const Index i = row / 2;
      const Index covered = i < h ? w : 0;  // windows over this row
      for (Index j = 0; j < covered; ++j) {
        const T* from = dy.data + ((n * h + i) * w + j) * C;
        const std::uint8_t* which = argmax + ((n * h + i) * w + j) * C;
        for (int s = 0; s < 2; ++s) {
          const std::uint8_t mine = static_cast<std::uint8_t>(2 * (row % 2) + s);
          T* pixel = to + (2 * j + s) * C;
          if (write == Write::add) {
#pragma omp simd
            for (Index c = 0; c < C; ++c) pixel[c] += which[c] == mine ? from[c] : T(0);
          } else {
#pragma omp simd
            for (Index c = 0; c < C; ++c) pixel[c] = which[c] == mine ? from[c] : T(0);
          }
        }
      }
      if (write == Write::set) std::fill(to + 2 * covered * C, to + in.W * C, T(0));
    }
}

template void max_pool_forward(Device&, Values<float>, std::uint8_t*, Values<const float>, const Shape&);
template void max_pool_forward(Device&, Values<double>, std::uint8_t*, Values<const double>, const Shape&);
template void max_pool_backward(Device&, Gradients<float>, Gradients<const float>, const std::uint8_t*, const Shape&,
                                Write);
template void max_pool_backward(Device&, Gradients<double>, Gradients<const double>, const std::uint8_t*, const Shape&,
                                Write);

}  // namespace attnunet::cpu
