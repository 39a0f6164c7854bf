#include <algorithm>
#include <type_traits>

#include "cuda/conv2d.h"
#include "cuda/conv2d_ffma.h"
#include "cuda/conv2d_tensor_core.h"
#include "cuda/kernel.h"
#include "cuda/weight_gradient.h"

namespace attnunet::cuda {
namespace {

constexpr unsigned threads = 256;

// Kernels read the fields of the geometry, the stride among them.
Conv2dGeometry with_stride(Conv2dGeometry g) {
  g.x_stride = g.x_pixel();
  return g;
}

template <class T>
__global__ void conv2d_forward_kernel(T* y, const T* x, const T* w, const T* bias, Conv2dGeometry g, Write write,
                                      Activation activation) {
  const Index i = thread_of_grid();
  if (i >= g.N * g.H * g.W * g.K) return;
  const Index pixel = i / g.K, k = i % g.K;
  const Index row = pixel / g.W, column = pixel % g.W, h = row % g.H, q = (g.R - 1) / 2;
  T sum = bias != nullptr ? bias[k] : T(0);
  for (Index r = 0; r < g.R; ++r) {
    if (h + r - q < 0 || h + r - q >= g.H) continue;
    for (Index s = 0; s < g.R; ++s) {
      if (column + s - q < 0 || column + s - q >= g.W) continue;
      const T* from = x + (pixel + (r - q) * g.W + s - q) * g.x_stride;
      const T* weight = w + ((k * g.R + r) * g.R + s) * g.C;
      for (Index c = 0; c < g.C; ++c) sum = fma(weight[c], from[c], sum);
    }
  }
  y[i] = activated(write == Write::add ? y[i] + sum : sum, activation);
}

template <class T>
__global__ void conv2d_backward_data_kernel(T* dx, const T* dy, const T* w, Conv2dGeometry g, Write write) {
  const Index i = thread_of_grid();
  if (i >= g.N * g.H * g.W * g.C) return;
  const Index pixel = i / g.C, c = i % g.C;
  const Index row = pixel / g.W, column = pixel % g.W, h = row % g.H, q = (g.R - 1) / 2;
  const Index weights_of_k = g.R * g.R * g.C;
  T sum = 0;
  for (Index r = 0; r < g.R; ++r) {
    if (h - r + q < 0 || h - r + q >= g.H) continue;
    for (Index s = 0; s < g.R; ++s) {
      if (column - s + q < 0 || column - s + q >= g.W) continue;
      const T* from = dy + (pixel - (r - q) * g.W - (s - q)) * g.K;
      const T* weight = w + (r * g.R + s) * g.C + c;
      for (Index k = 0; k < g.K; ++k) sum = fma(weight[k * weights_of_k], from[k], sum);
    }
  }
  T& result = dx[pixel * g.x_stride + c];
  result = write == Write::add ? result + sum : sum;
}

// Each image row is summed by itself and then added: short chains even where a chunk has many pixels.
template <class T>
__global__ void conv2d_backward_weights_kernel(T* partials, const T* dy, const T* x, Conv2dGeometry g, Index chunks) {
  const Index taps = g.R * g.R, weights = g.K * taps * g.C;
  const Index i = thread_of_grid();
  if (i >= chunks * weights) return;
  const Index chunk = i / weights, weight = i % weights;
  const Index c = weight % g.C, tap = weight / g.C % taps, k = weight / g.C / taps;
  const Index q = (g.R - 1) / 2, down = tap / g.R - q, right = tap % g.R - q;  // from the pixel of dy to that of x
  const Index first = right < 0 ? -right : 0, last = right > 0 ? g.W - right : g.W;  // columns whose x is in the image
  const Index pixels = g.N * g.H * g.W, begin = pixels * chunk / chunks, end = pixels * (chunk + 1) / chunks;
  Index h = begin / g.W % g.H, row_begin = begin / g.W * g.W;
  T sum = 0;
  for (; row_begin < end; row_begin += g.W, h = h + 1 == g.H ? 0 : h + 1) {
    if (h + down < 0 || h + down >= g.H) continue;
    const Index from = row_begin + first < begin ? begin : row_begin + first;
    const Index to = row_begin + last < end ? row_begin + last : end;
    const T* gradient = dy + from * g.K + k;
    const T* value = x + (from + down * g.W + right) * g.x_stride + c;
    T row_sum = 0;
    for (Index p = from; p < to; ++p, gradient += g.K, value += g.x_stride) row_sum = fma(*gradient, *value, row_sum);
    sum += row_sum;
  }
  partials[i] = sum;
}

}  // namespace

namespace plain {

template <class M, class T>
void conv2d_forward(Device<M>& device, T* y, const T* x, const T* w, const T* bias, T* /*workspace*/,
                    const Conv2dGeometry& g, Write write, Activation activation) {
  launch(device, {"plain conv2d_forward", blocks_for(g.pixels() * g.K, threads), threads}, conv2d_forward_kernel<T>, y,
         x, w, bias, with_stride(g), write, activation);
}

template <class M, class T>
void conv2d_backward_data(Device<M>& device, T* dx, const T* dy, const T* w, T* /*workspace*/, const Conv2dGeometry& g,
                          Write write) {
  launch(device, {"plain conv2d_backward_data", blocks_for(g.pixels() * g.C, threads), threads},
         conv2d_backward_data_kernel<T>, dx, dy, w, with_stride(g), write);
}

template <class M, class T>
void conv2d_backward_weights(Device<M>& device, T* dw, T* db, const T* dy, const T* x, T* workspace,
                             const Conv2dGeometry& g) {
  if (db != nullptr) bias_gradient(device, db, dy, workspace, g.pixels(), g.K, g.K);
  const Index chunks = weight_gradient_chunks(g.pixels(), g.weights());
  T* partials = chunks == 1 ? dw : workspace;
  launch(device, {"plain conv2d_backward_weights", blocks_for(chunks * g.weights(), threads), threads},
         conv2d_backward_weights_kernel<T>, partials, dy, x, with_stride(g), chunks);
  add_weight_gradients(device, dw, partials, chunks, g.weights());
}

template <class M>
Index conv2d_workspace(const Device<M>&, const Conv2dGeometry& g) {
  const Index chunks = weight_gradient_chunks(g.pixels(), g.weights());
  return std::max(weight_gradient_workspace(chunks, g.weights()), bias_gradient_workspace(g.pixels(), g.K));
}

}  // namespace plain

// double: the plain kernels. float: the tuned ones of the device's precision.

template <class M, class T>
void conv2d_forward(Device<M>& device, T* y, const T* x, const T* w, const T* bias, T* workspace,
                    const Conv2dGeometry& g, Write write, Activation activation) {
  if constexpr (std::is_same_v<T, float>) {
    if (!tensor_core::on_tensor_cores(device.precision(), g))
      return ffma::conv2d_forward(device, y, x, w, bias, workspace, g, write, activation);
    return tensor_core::conv2d_forward(device, y, x, w, bias, workspace, g, write, activation);
  } else {
    plain::conv2d_forward(device, y, x, w, bias, workspace, g, write, activation);
  }
}

template <class M, class T>
void conv2d_backward_data(Device<M>& device, T* dx, const T* dy, const T* w, T* workspace, const Conv2dGeometry& g,
                          Write write) {
  if constexpr (std::is_same_v<T, float>) {
    if (!tensor_core::on_tensor_cores(device.precision(), g))
      return ffma::conv2d_backward_data(device, dx, dy, w, workspace, g, write);
    return tensor_core::conv2d_backward_data(device, dx, dy, w, workspace, g, write);
  } else {
    plain::conv2d_backward_data(device, dx, dy, w, workspace, g, write);
  }
}

template <class M, class T>
void conv2d_backward_weights(Device<M>& device, T* dw, T* db, const T* dy, const T* x, T* workspace,
                             const Conv2dGeometry& g) {
  if constexpr (std::is_same_v<T, float>) {
    if (!tensor_core::on_tensor_cores(device.precision(), g))
      return ffma::conv2d_backward_weights(device, dw, db, dy, x, workspace, g);
    return tensor_core::conv2d_backward_weights(device, dw, db, dy, x, workspace, g);
  } else {
    plain::conv2d_backward_weights(device, dw, db, dy, x, workspace, g);
  }
}

template <class M>
Index conv2d_workspace(const Device<M>& device, const Conv2dGeometry& g) {
  return std::max({plain::conv2d_workspace(device, g), ffma::conv2d_workspace(device, g),
                   tensor_core::conv2d_workspace(device, g)});
}

#define ATTNUNET_INSTANTIATE(scope, T)                                                                                \
  template void scope conv2d_forward(ThisDevice&, T*, const T*, const T*, const T*, T*, const Conv2dGeometry&, Write, \
                                     Activation);                                                                     \
  template void scope conv2d_backward_data(ThisDevice&, T*, const T*, const T*, T*, const Conv2dGeometry&, Write);    \
  template void scope conv2d_backward_weights(ThisDevice&, T*, T*, const T*, const T*, T*, const Conv2dGeometry&);
ATTNUNET_INSTANTIATE(plain::, float)
ATTNUNET_INSTANTIATE(plain::, double)
ATTNUNET_INSTANTIATE(, float)
ATTNUNET_INSTANTIATE(, double)
template Index plain::conv2d_workspace(const ThisDevice&, const Conv2dGeometry&);
template Index conv2d_workspace(const ThisDevice&, const Conv2dGeometry&);

}  // namespace attnunet::cuda
