#include <algorithm>
#include <type_traits>

#include "cuda/conv_transpose2d.h"
#include "cuda/conv_transpose2d_ffma.h"
#include "cuda/conv_transpose2d_tensor_core.h"
#include "cuda/kernel.h"
#include "cuda/weight_gradient.h"

namespace attnunet::cuda {
namespace {

// Rows of the output are numbered through the batch: 2H to an image, so row 2h + i belongs to input row h of all N*H.
template <class T>
__global__ void conv_transpose2d_forward_kernel(Values<T> y, Values<const T> x, const T* w, const T* bias,
                                                ConvTranspose2dGeometry g) {
  const Index index = thread_of_grid();
  if (index >= 4 * g.N * g.H * g.W * g.K) return;
  const Index pixel = index / g.K, k = index % g.K;
  const Index row = pixel / (2 * g.W), column = pixel % (2 * g.W), i = row % 2, j = column % 2;
  const T* from = x.data + (row / 2 * g.W + column / 2) * x.stride;
  const T* weight = w + ((i * 2 + j) * g.K + k) * g.C;
  T sum = bias != nullptr ? bias[k] : T(0);
  for (Index c = 0; c < g.C; ++c) sum = fma(weight[c], from[c], sum);
  y.data[pixel * y.stride + k] = sum;
}

template <class T>
__global__ void conv_transpose2d_backward_data_kernel(Gradients<T> dx, Gradients<const T> dy, const T* w,
                                                      ConvTranspose2dGeometry g, Write write) {
  const Index index = thread_of_grid();
  if (index >= g.N * g.H * g.W * g.C) return;
  const Index pixel = index / g.C, c = index % g.C, row = pixel / g.W, column = pixel % g.W;
  T sum = 0;
  for (Index i = 0; i < 2; ++i)
    for (Index j = 0; j < 2; ++j) {
      const T* from = dy.data + ((2 * row + i) * 2 * g.W + 2 * column + j) * dy.stride;
      const T* weight = w + (i * 2 + j) * g.K * g.C + c;
      for (Index k = 0; k < g.K; ++k) sum = fma(weight[k * g.C], from[k], sum);
    }
  T& result = dx.data[pixel * dx.stride + c];
  result = write == Write::add ? result + sum : sum;
}

// Each image row is summed by itself and then added: short chains even where a chunk has many pixels.
template <class T>
__global__ void conv_transpose2d_backward_weights_kernel(T* partials, Gradients<const T> dy, Values<const T> x,
                                                         ConvTranspose2dGeometry g, Index chunks) {
  const Index weights = 4 * g.K * g.C;
  const Index index = thread_of_grid();
  if (index >= chunks * weights) return;
  const Index chunk = index / weights, weight = index % weights;
  const Index c = weight % g.C, k = weight / g.C % g.K, tap = weight / g.C / g.K, i = tap / 2, j = tap % 2;
  const Index pixels = g.N * g.H * g.W, begin = pixels * chunk / chunks, end = pixels * (chunk + 1) / chunks;
  T sum = 0;
  for (Index row = begin / g.W; row * g.W < end; ++row) {
    const Index from = row * g.W < begin ? begin : row * g.W;
    const Index to = (row + 1) * g.W < end ? (row + 1) * g.W : end;
    const T* gradient = dy.data + ((2 * row + i) * 2 * g.W + 2 * (from - row * g.W) + j) * dy.stride + k;
    const T* value = x.data + from * x.stride + c;
    T row_sum = 0;
    for (Index p = from; p < to; ++p, gradient += 2 * dy.stride, value += x.stride)
      row_sum = fma(*gradient, *value, row_sum);
    sum += row_sum;
  }
  partials[index] = sum;
}

}  // namespace

namespace plain {

template <class M, class T>
void conv_transpose2d_forward(Device<M>& device, Values<T> y, Const<Values<T>> x, const T* w, const T* bias,
                              T* /*workspace*/, const ConvTranspose2dGeometry& g) {
  launch(device, {"plain conv_transpose2d_forward", blocks_for(g.output_pixels() * g.K, block_threads), block_threads},
         conv_transpose2d_forward_kernel<T>, y, x, w, bias, g);
}

template <class M, class T>
void conv_transpose2d_backward_data(Device<M>& device, Gradients<T> dx, Const<Gradients<T>> dy, const T* w,
                                    T* /*workspace*/, const ConvTranspose2dGeometry& g, Write write) {
  launch(device,
         {"plain conv_transpose2d_backward_data", blocks_for(g.input_pixels() * g.C, block_threads), block_threads},
         conv_transpose2d_backward_data_kernel<T>, dx, dy, w, g, write);
}

template <class M, class T>
void conv_transpose2d_backward_weights(Device<M>& device, T* dw, T* db, Const<Gradients<T>> dy, Const<Values<T>> x,
                                       T* workspace, const ConvTranspose2dGeometry& g) {
  if (db != nullptr) bias_gradient(device, db, dy, workspace);
  const Index chunks = weight_gradient_chunks(g.input_pixels(), g.weights());
  T* partials = chunks == 1 ? dw : workspace;
  launch(device,
         {"plain conv_transpose2d_backward_weights", blocks_for(chunks * g.weights(), block_threads), block_threads},
         conv_transpose2d_backward_weights_kernel<T>, partials, dy, x, g, chunks);
  add_weight_gradients(device, dw, partials, chunks, g.weights());
}

template <class M>
Index conv_transpose2d_workspace(const Device<M>&, const ConvTranspose2dGeometry& g) {
  const Index chunks = weight_gradient_chunks(g.input_pixels(), g.weights());
  return std::max(weight_gradient_workspace(chunks, g.weights()), bias_gradient_workspace(g.output_pixels(), g.K));
}

}  // namespace plain

// double: the plain kernels. float: the tuned ones of the device's precision.

template <class M, class T>
void conv_transpose2d_forward(Device<M>& device, Values<T> y, Const<Values<T>> x, const T* w, const T* bias,
                              T* workspace, const ConvTranspose2dGeometry& g) {
  require_shape(x, g.input_pixels(), g.C);
  require_shape(y, g.output_pixels(), g.K);
  if constexpr (std::is_same_v<T, float>) {
    if (!tensor_core::on_tensor_cores(device.precision(), g))
      return ffma::conv_transpose2d_forward(device, y, x, w, bias, workspace, g);
    return tensor_core::conv_transpose2d_forward(device, y, x, w, bias, workspace, g);
  } else {
    plain::conv_transpose2d_forward(device, y, x, w, bias, workspace, g);
  }
}

template <class M, class T>
void conv_transpose2d_backward_data(Device<M>& device, Gradients<T> dx, Const<Gradients<T>> dy, const T* w,
                                    T* workspace, const ConvTranspose2dGeometry& g, Write write) {
  require_shape(dx, g.input_pixels(), g.C);
  require_shape(dy, g.output_pixels(), g.K);
  if constexpr (std::is_same_v<T, float>) {
    if (!tensor_core::on_tensor_cores(device.precision(), g))
      return ffma::conv_transpose2d_backward_data(device, dx, dy, w, workspace, g, write);
    return tensor_core::conv_transpose2d_backward_data(device, dx, dy, w, workspace, g, write);
  } else {
    plain::conv_transpose2d_backward_data(device, dx, dy, w, workspace, g, write);
  }
}

template <class M, class T>
void conv_transpose2d_backward_weights(Device<M>& device, T* dw, T* db, Const<Gradients<T>> dy, Const<Values<T>> x,
                                       T* workspace, const ConvTranspose2dGeometry& g) {
  require_shape(dy, g.output_pixels(), g.K);
  require_shape(x, g.input_pixels(), g.C);
  if constexpr (std::is_same_v<T, float>) {
    if (!tensor_core::on_tensor_cores(device.precision(), g))
      return ffma::conv_transpose2d_backward_weights(device, dw, db, dy, x, workspace, g);
    return tensor_core::conv_transpose2d_backward_weights(device, dw, db, dy, x, workspace, g);
  } else {
    plain::conv_transpose2d_backward_weights(device, dw, db, dy, x, workspace, g);
  }
}

template <class M>
Index conv_transpose2d_workspace(const Device<M>& device, const ConvTranspose2dGeometry& g) {
  return std::max({plain::conv_transpose2d_workspace(device, g), ffma::conv_transpose2d_workspace(device, g),
                   tensor_core::conv_transpose2d_workspace(device, g)});
}

#define ATTNUNET_INSTANTIATE(scope, T)                                                                                \
  template void scope conv_transpose2d_forward(ThisDevice&, Values<T>, Values<const T>, const T*, const T*, T*,       \
                                               const ConvTranspose2dGeometry&);                                       \
  template void scope conv_transpose2d_backward_data(ThisDevice&, Gradients<T>, Gradients<const T>, const T*, T*,     \
                                                     const ConvTranspose2dGeometry&, Write);                          \
  template void scope conv_transpose2d_backward_weights(ThisDevice&, T*, T*, Gradients<const T>, Values<const T>, T*, \
                                                        const ConvTranspose2dGeometry&);
ATTNUNET_INSTANTIATE(plain::, float)
ATTNUNET_INSTANTIATE(plain::, double)
ATTNUNET_INSTANTIATE(, float)
ATTNUNET_INSTANTIATE(, double)
#undef ATTNUNET_INSTANTIATE
template Index plain::conv_transpose2d_workspace(const ThisDevice&, const ConvTranspose2dGeometry&);
template Index conv_transpose2d_workspace(const ThisDevice&, const ConvTranspose2dGeometry&);

}  // namespace attnunet::cuda
