#include "cuda/kernel.h"
#include "cuda/max_pool.h"
#include "cuda/quad.h"
#include "cuda/rows.h"

namespace attnunet::cuda {
namespace {

template <class T>
struct Winner {
  T value;
  unsigned index;
};

template <class T>
__device__ __forceinline__ Winner<T> winner_of(T first, T second, T third, T fourth) {
  const T window[4] = {first, second, third, fourth};
  Winner<T> winner{window[0], 0};
  ATTNUNET_UNROLL
  for (unsigned k = 1; k < 4; ++k)
    if (window[k] > winner.value || window[k] != window[k]) winner = {window[k], k};
  return winner;
}

template <class T>
__global__ void max_pool_forward_kernel(T* y, std::uint8_t* argmax, const T* x, Shape in) {
  const Index C = in.C, h = in.H / 2, row = in.W / 2 * C;
  const Index n = row_of_grid() / h, i = row_of_grid() % h;
  for (Index e = first_of_row(); e < row; e += row_step()) {
    const Index j = e / C, c = e % C, out = row_of_grid() * row + e;
    const T* top = x + ((n * in.H + 2 * i) * in.W + 2 * j) * C + c;
    const T* bottom = top + in.W * C;
    const Winner<T> winner = winner_of(top[0], top[C], bottom[0], bottom[C]);
    y[out] = winner.value;
    argmax[out] = static_cast<std::uint8_t>(winner.index);
  }
}

// Of the quads of a row of y: which pixel quad e belongs to. (2^32 quads would be a row of 64 GiB.)
__device__ __forceinline__ Index pixel_of_quad(Index e, Index C) {
  return Index{static_cast<std::uint32_t>(e) / static_cast<std::uint32_t>(C / 4)};
}

__global__ void max_pool_forward_quads_kernel(float* y, std::uint8_t* argmax, const float* x, Shape in) {
  const Index C = in.C, h = in.H / 2, row = in.W / 2 * C;
  const Index n = row_of_grid() / h, i = row_of_grid() % h;
  for (Index e = first_of_row(); e < row / 4; e += row_step()) {
    // Channel c of pixel j: 4 e = j C + c, and the window begins at 2 j C + c of its row.
    const Index j = pixel_of_quad(e, C), out = row_of_grid() * row + 4 * e;
    const float* top = x + (n * in.H + 2 * i) * in.W * C + 4 * e + j * C;
    const float* bottom = top + in.W * C;
    const Quad first = load_quad(top), second = load_quad(top + C);
    const Quad third = load_quad(bottom), fourth = load_quad(bottom + C);
    Quad values;
    std::uint32_t indices = 0;
    ATTNUNET_UNROLL
    for (int k = 0; k < 4; ++k) {
      const Winner<float> winner = winner_of(first.of[k], second.of[k], third.of[k], fourth.of[k]);
      values.of[k] = winner.value;
      indices |= winner.index << (8 * k);  // little-endian: byte k
    }
    store_quad(y + out, values);
    *reinterpret_cast<std::uint32_t*>(argmax + out) = indices;
  }
}

template <class T>
__global__ void max_pool_backward_kernel(T* dx, const T* dy, const std::uint8_t* argmax, Shape in, Write write) {
  const Index C = in.C, h = in.H / 2, w = in.W / 2, row = in.W * C;
  const Index n = row_of_grid() / in.H, in_i = row_of_grid() % in.H, i = in_i / 2;
  for (Index e = first_of_row(); e < row; e += row_step()) {
    const Index in_j = e / C, c = e % C, j = in_j / 2;
    T gradient = 0;
    if (i < h && j < w) {
      const Index out = ((n * h + i) * w + j) * C + c;
      if (argmax[out] == 2 * (in_i % 2) + in_j % 2) gradient = dy[out];
    }
    T& to = dx[row_of_grid() * row + e];
    to = write == Write::add ? to + gradient : gradient;
  }
}

__global__ void max_pool_backward_quads_kernel(float* dx, const float* dy, const std::uint8_t* argmax, Shape in,
                                               Write write) {
  const Index C = in.C, row = in.W / 2 * C;
  for (Index e = first_of_row(); e < row / 4; e += row_step()) {
    const Index j = pixel_of_quad(e, C), out = row_of_grid() * row + 4 * e;
    float* window = dx + 2 * row_of_grid() * in.W * C + 4 * e + j * C;  // H is even: row 2 (n h + i) of dx
    const Quad upstream = load_quad(dy + out);
    const std::uint32_t indices = *reinterpret_cast<const std::uint32_t*>(argmax + out);
    ATTNUNET_UNROLL
    for (unsigned pixel = 0; pixel < 4; ++pixel) {
      float* to = window + (pixel / 2 * in.W + pixel % 2) * C;
      Quad gradient = write == Write::add ? load_quad(to) : Quad{};
      ATTNUNET_UNROLL
      for (int k = 0; k < 4; ++k) {
        const bool mine = (indices >> (8 * k) & 0xFFu) == pixel;
        const float share = mine ? upstream.of[k] : 0.0f;
        gradient.of[k] = write == Write::add ? gradient.of[k] + share : share;
      }
      store_quad(to, gradient);
    }
  }
}

bool bytes_aligned(const std::uint8_t* argmax) {
  return reinterpret_cast<std::uintptr_t>(argmax) % 4 == 0;
}

}  // namespace

template <class M, class T>
void max_pool_forward(Device<M>& device, Values<T> y, std::uint8_t* argmax, Const<Values<T>> x, const Shape& in) {
  require_dense(x, in.pixels(), in.C);
  require_dense(y, in.N * (in.H / 2) * (in.W / 2), in.C);
  const Index rows = in.N * (in.H / 2), row = in.W / 2 * in.C;
  if (rows == 0) return;  // no window
  if constexpr (std::is_same_v<T, float>) {
    if (in.C % 4 == 0 && quad_aligned(y.data, x.data) && bytes_aligned(argmax)) {
      launch(device, {"max_pool_forward_quads", grid_of_rows(rows, row / 4, row_threads), row_threads},
             max_pool_forward_quads_kernel, y.data, argmax, x.data, in);
      return;
    }
  }
  launch(device, {"max_pool_forward", grid_of_rows(rows, row, row_threads), row_threads}, max_pool_forward_kernel<T>,
         y.data, argmax, x.data, in);
}

template <class M, class T>
void max_pool_backward(Device<M>& device, Gradients<T> dx, Const<Gradients<T>> dy, const std::uint8_t* argmax,
                       const Shape& in, Write write) {
  require_dense(dx, in.pixels(), in.C);
  require_dense(dy, in.N * (in.H / 2) * (in.W / 2), in.C);
  if constexpr (std::is_same_v<T, float>) {
    if (in.C % 4 == 0 && in.H % 2 == 0 && in.W % 2 == 0 && quad_aligned(dx.data, dy.data) && bytes_aligned(argmax)) {
      launch(device,
             {"max_pool_backward_quads", grid_of_rows(in.N * in.H / 2, in.W / 2 * in.C / 4, row_threads), row_threads},
             max_pool_backward_quads_kernel, dx.data, dy.data, argmax, in, write);
      return;
    }
  }
  launch(device, {"max_pool_backward", grid_of_rows(in.N * in.H, in.W * in.C, row_threads), row_threads},
         max_pool_backward_kernel<T>, dx.data, dy.data, argmax, in, write);
}

template void max_pool_forward(ThisDevice&, Values<float>, std::uint8_t*, Values<const float>, const Shape&);
template void max_pool_forward(ThisDevice&, Values<double>, std::uint8_t*, Values<const double>, const Shape&);
template void max_pool_backward(ThisDevice&, Gradients<float>, Gradients<const float>, const std::uint8_t*,
                                const Shape&, Write);
template void max_pool_backward(ThisDevice&, Gradients<double>, Gradients<const double>, const std::uint8_t*,
                                const Shape&, Write);

}  // namespace attnunet::cuda
