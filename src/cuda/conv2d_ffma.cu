#include <algorithm>

#include "cuda/conv2d_ffma.h"
#include "cuda/gemm_ffma.h"
#include "cuda/gemm_thin.h"
#include "cuda/kernel.h"
#include "cuda/weight_gradient.h"

namespace attnunet::cuda::ffma {
namespace {

// Which kernels fit. All that read or write runs of 4 channels need counts, strides and pointers that allow it.
enum class Way { tiles, tiles_of_vectors, from_one_channel, to_one_channel };

// x and y stand for the tensors with C and with K channels, values or gradients.
template <class X, class Y>
Way way_of(X x, Y y, const float* w, bool through_one_channel) {
  const bool x_vectors = gemm::runs_of<4>({x.channels, x.stride}, {x.data}, sizeof(float));
  const bool y_vectors = gemm::runs_of<4>({y.channels, y.stride}, {y.data}, sizeof(float));
  if (x.channels == 1 && y_vectors) return Way::from_one_channel;
  if (y.channels == 1 && x_vectors && through_one_channel) return Way::to_one_channel;
  const bool w_vectors = gemm::runs_of<4>({}, {w}, sizeof(float));
  return x_vectors && y_vectors && w_vectors ? Way::tiles_of_vectors : Way::tiles;
}

gemm::ThinWeights<const float*> from_one_channel(const Conv2dGeometry& g, const float* w) {
  return {w, static_cast<int>(g.R * g.R), 1};
}

}  // namespace

template <class M>
Index conv2d_workspace(const Device<M>& device, const Conv2dGeometry& g) {
  return std::max({gemm::multiply_weights_workspace(device, g.K, g.R * g.R * g.C, g.pixels()),
                   gemm::thin_weights_workspace(device, g.weights(), g.pixels()),
                   bias_gradient_workspace(g.pixels(), g.K)});
}

template <class M>
void conv2d_forward(Device<M>& device, Values<float> y, Values<const float> x, const float* w,
                    const Epilogue<float>& epilogue, float* /*workspace*/, const Conv2dGeometry& g) {
  const gemm::Windows<float> windows = gemm::conv2d_windows(g, x, g.R);
  const gemm::Output<float> output = gemm::conv2d_output(g, y, epilogue);
  const bool w_vectors = gemm::runs_of<4>({}, {w}, sizeof(float));
  const Way way = way_of(x, y, w, g.R == 1 && w_vectors);
  if (way == Way::from_one_channel) return gemm::spread(device, windows, from_one_channel(g, w), output);
  if (way == Way::to_one_channel) return gemm::collect(device, output, x, w);
  gemm::multiply(device, gemm::PixelRows<float>{windows}, gemm::matrix_rows(w, g.K, g.R * g.R * g.C), output,
                 way == Way::tiles_of_vectors);
}

template <class M>
Index conv2d_forward_statistics(Device<M>& device, Values<float> y, float* chunk_means, float* chunk_m2,
                                Values<const float> x, const float* w, const Conv2dGeometry& g) {
  const gemm::Windows<float> windows = gemm::conv2d_windows(g, x, g.R);
  const gemm::Output<float> output = gemm::conv2d_output(g, y, {});
  const Way way = way_of(x, y, w, false);
  if (way == Way::from_one_channel && g.R == 3) {
    gemm::spread(device, windows, from_one_channel(g, w), output, {chunk_means, chunk_m2});
    return gemm::spread_rows;
  }
  gemm::multiply(device, gemm::PixelRows<float>{windows}, gemm::matrix_rows(w, g.K, g.R * g.R * g.C), output,
                 {chunk_means, chunk_m2}, way == Way::tiles_of_vectors);
  return gemm::tile_rows(device, g.K, way == Way::tiles_of_vectors);
}

template <class M>
void conv2d_backward_data(Device<M>& device, Gradients<float> dx, Gradients<const float> dy, const float* w,
                          float* /*workspace*/, const Conv2dGeometry& g, Write write) {
  const gemm::Windows<float> windows = gemm::conv2d_windows(g, dy, g.R);
  const gemm::Output<float> output = gemm::conv2d_output(g, dx, {nullptr, write});
  const Way way = way_of(dx, dy, w, g.R == 1);
  if (way == Way::to_one_channel) return gemm::spread(device, windows, {w, 1, 1}, output);
  gemm::multiply(device, gemm::PixelRows<float>{windows}, gemm::flipped_weights(w, g.K, g.R * g.R, g.C), output,
                 way == Way::tiles_of_vectors);
}

template <class M>
void conv2d_backward_weights(Device<M>& device, float* dw, float* db, Gradients<const float> dy, Values<const float> x,
                             float* workspace, const Conv2dGeometry& g) {
  const Index taps = g.R * g.R;
  const Way way = way_of(x, dy, dw, g.R == 1);
  if (way == Way::from_one_channel) {
    gemm::thin_weights(device, {dw, static_cast<int>(taps), 1}, dy, gemm::conv2d_windows(g, x, g.R), workspace);
  } else if (way == Way::to_one_channel) {
    gemm::thin_weights(device, {dw, 1, 1}, x, gemm::conv2d_windows(g, dy, g.R), workspace);
  } else {
    const gemm::TapRows<float> a{gemm::conv2d_windows(g, dy, 1)};
    const gemm::TapRows<float> b{gemm::conv2d_windows(g, x, g.R)};
    const bool aligned = gemm::runs_of<4>({}, {workspace}, sizeof(float));
    gemm::multiply_weights(device, dw, a, b, workspace, g.K, taps * g.C, aligned && way == Way::tiles_of_vectors);
  }
  if (db != nullptr) bias_gradient(device, db, dy, workspace);
}

template Index conv2d_workspace(const ThisDevice&, const Conv2dGeometry&);
template void conv2d_forward(ThisDevice&, Values<float>, Values<const float>, const float*, const Epilogue<float>&,
                             float*, const Conv2dGeometry&);
template Index conv2d_forward_statistics(ThisDevice&, Values<float>, float*, float*, Values<const float>, const float*,
                                         const Conv2dGeometry&);
template void conv2d_backward_data(ThisDevice&, Gradients<float>, Gradients<const float>, const float*, float*,
                                   const Conv2dGeometry&, Write);
template void conv2d_backward_weights(ThisDevice&, float*, float*, Gradients<const float>, Values<const float>, float*,
                                      const Conv2dGeometry&);

}  // namespace attnunet::cuda::ffma
