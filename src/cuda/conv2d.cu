#include <algorithm>
#include <type_traits>

#include "cuda/conv2d.h"
#include "cuda/conv2d_ffma.h"
#include "cuda/conv2d_tensor_core.h"
#include "cuda/kernel.h"
#include "cuda/weight_gradient.h"

namespace attnunet::cuda {
namespace {

template <class T>
__global__ void conv2d_forward_kernel(Values<T> y, Values<const T> x, const T* w, Epilogue<T> epilogue,
                                      Conv2dGeometry g) {
  const Index i = thread_of_grid();
  if (i >= g.N * g.H * g.W * g.K) return;
  const Index pixel = i / g.K, k = i % g.K;
  const Index row = pixel / g.W, column = pixel % g.W, h = row % g.H, q = (g.R - 1) / 2;
  T sum = epilogue.bias != nullptr ? epilogue.bias[k] : T(0);
  for (Index r = 0; r < g.R; ++r)
    for (Index s = 0; s < g.R; ++s) {
      const bool inside = h + r - q >= 0 && h + r - q < g.H && column + s - q >= 0 && column + s - q < g.W;
      const T* from = x.data + (pixel + (r - q) * g.W + s - q) * x.stride;
      const T* weight = w + ((k * g.R + r) * g.R + s) * g.C;
      for (Index c = 0; c < g.C; ++c) sum = fma(weight[c], inside ? from[c] : T(0), sum);
    }
  T& result = y.data[pixel * y.stride + k];
  result = activated(epilogue.write == Write::add ? result + sum : sum, epilogue.activation);
}

template <class T>
__global__ void conv2d_backward_data_kernel(Gradients<T> dx, Gradients<const T> dy, const T* w, Conv2dGeometry g,
                                            Write write) {
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
      const T* from = dy.data + (pixel - (r - q) * g.W - (s - q)) * dy.stride;
      const T* weight = w + (r * g.R + s) * g.C + c;
      for (Index k = 0; k < g.K; ++k) sum = fma(weight[k * weights_of_k], from[k], sum);
    }
  }
  T& result = dx.data[pixel * dx.stride + c];
  result = write == Write::add ? result + sum : sum;
}

// Each image row is summed by itself and then added: short chains even where a chunk has many pixels.
template <class T>
__global__ void conv2d_backward_weights_kernel(T* partials, Gradients<const T> dy, Values<const T> x, Conv2dGeometry g,
                                               Index chunks) {
  const Index taps = g.R * g.R, weights = g.K * taps * g.C;
  const Index i = thread_of_grid();
  if (i >= chunks * weights) return;
  const Index chunk = i / weights, weight = i % weights;
  const Index c = weight % g.C, tap = weight / g.C % taps, k = weight / g.C / taps;
  const Index q = (g.R - 1) / 2, down = tap / g.R - q, right = tap % g.R - q;  // from the pixel of dy to that of x
  const Index pixels = g.N * g.H * g.W, begin = pixels * chunk / chunks, end = pixels * (chunk + 1) / chunks;
  Index h = begin / g.W % g.H, row_begin = begin / g.W * g.W;
  T sum = 0;
  for (; row_begin < end; row_begin += g.W, h = h + 1 == g.H ? 0 : h + 1) {
    const Index from = row_begin < begin ? begin : row_begin;
    const Index to = row_begin + g.W < end ? row_begin + g.W : end;
    const T* gradient = dy.data + from * dy.stride + k;
    const T* value = x.data + (from + down * g.W + right) * x.stride + c;
    T row_sum = 0;
    for (Index p = from; p < to; ++p, gradient += dy.stride, value += x.stride) {
      const Index column = p - row_begin + right;
      const bool inside = h + down >= 0 && h + down < g.H && column >= 0 && column < g.W;
      row_sum = fma(*gradient, inside ? *value : T(0), row_sum);
    }
    sum += row_sum;
  }
  partials[i] = sum;
}

}  // namespace

namespace plain {

template <class M, class T>
void conv2d_forward(Device<M>& device, Values<T> y, Const<Values<T>> x, const T* w, const Epilogue<T>& epilogue,
                    T* /*workspace*/, const Conv2dGeometry& g) {
  launch(device, {"plain conv2d_forward", blocks_for(g.pixels() * g.K, block_threads), block_threads},
         conv2d_forward_kernel<T>, y, x, w, epilogue, g);
}

template <class M, class T>
void conv2d_backward_data(Device<M>& device, Gradients<T> dx, Const<Gradients<T>> dy, const T* w, T* /*workspace*/,
                          const Conv2dGeometry& g, Write write) {
  launch(device, {"plain conv2d_backward_data", blocks_for(g.pixels() * g.C, block_threads), block_threads},
         conv2d_backward_data_kernel<T>, dx, dy, w, g, write);
}

template <class M, class T>
void conv2d_backward_weights(Device<M>& device, T* dw, T* db, Const<Gradients<T>> dy, Const<Values<T>> x, T* workspace,
                             const Conv2dGeometry& g) {
  if (db != nullptr) bias_gradient(device, db, dy, workspace);
  const Index chunks = weight_gradient_chunks(g.pixels(), g.weights());
  T* partials = chunks == 1 ? dw : workspace;
  launch(device, {"plain conv2d_backward_weights", blocks_for(chunks * g.weights(), block_threads), block_threads},
         conv2d_backward_weights_kernel<T>, partials, dy, x, g, chunks);
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
void conv2d_forward(Device<M>& device, Values<T> y, Const<Values<T>> x, const T* w, const Epilogue<T>& epilogue,
                    T* workspace, const Conv2dGeometry& g) {
  require_shape(x, g.pixels(), g.C);
  require_shape(y, g.pixels(), g.K);
  if constexpr (std::is_same_v<T, float>) {
    if (!tensor_core::on_tensor_cores(device.precision(), g))
      return ffma::conv2d_forward(device, y, x, w, epilogue, workspace, g);
    return tensor_core::conv2d_forward(device, y, x, w, epilogue, workspace, g);
  } else {
    plain::conv2d_forward(device, y, x, w, epilogue, workspace, g);
  }
}

template <class M, class T>
void conv2d_backward_data(Device<M>& device, Gradients<T> dx, Const<Gradients<T>> dy, const T* w, T* workspace,
                          const Conv2dGeometry& g, Write write) {
  require_shape(dx, g.pixels(), g.C);
  require_shape(dy, g.pixels(), g.K);
  if constexpr (std::is_same_v<T, float>) {
    if (!tensor_core::on_tensor_cores(device.precision(), g))
      return ffma::conv2d_backward_data(device, dx, dy, w, workspace, g, write);
    return tensor_core::conv2d_backward_data(device, dx, dy, w, workspace, g, write);
  } else {
    plain::conv2d_backward_data(device, dx, dy, w, workspace, g, write);
  }
}

template <class M, class T>
void conv2d_backward_weights(Device<M>& device, T* dw, T* db, Const<Gradients<T>> dy, Const<Values<T>> x, T* workspace,
                             const Conv2dGeometry& g) {
  require_shape(dy, g.pixels(), g.K);
  require_shape(x, g.pixels(), g.C);
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

#define ATTNUNET_INSTANTIATE(scope, T)                                                                          \
  template void scope conv2d_forward(ThisDevice&, Values<T>, Values<const T>, const T*, const Epilogue<T>&, T*, \
                                     const Conv2dGeometry&);                                                    \
  template void scope conv2d_backward_data(ThisDevice&, Gradients<T>, Gradients<const T>, const T*, T*,         \
                                           const Conv2dGeometry&, Write);                                       \
  template void scope conv2d_backward_weights(ThisDevice&, T*, T*, Gradients<const T>, Values<const T>, T*,     \
                                              const Conv2dGeometry&);
ATTNUNET_INSTANTIATE(plain::, float)
ATTNUNET_INSTANTIATE(plain::, double)
ATTNUNET_INSTANTIATE(, float)
ATTNUNET_INSTANTIATE(, double)
#undef ATTNUNET_INSTANTIATE
template Index plain::conv2d_workspace(const ThisDevice&, const Conv2dGeometry&);
template Index conv2d_workspace(const ThisDevice&, const Conv2dGeometry&);

}  // namespace attnunet::cuda
