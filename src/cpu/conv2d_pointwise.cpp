#include "cpu/conv2d_pointwise.h"

#include <omp.h>

#include <algorithm>

#include "cpu/copy_pixels.h"
#include "cpu/pixel_product.h"
#include "cpu/weight_gradient.h"

namespace attnunet::cpu {
namespace {

// The pixels of the batch are one line, cut into tiles.
Index tile_count(Index pixels, Index channels) {
  const Index size = tile_pixels(channels);
  return (pixels + size - 1) / size;
}

// y [pixels,K] from x [pixels,C] with the weights at(c, k).
template <class T, class At>
void convolve(Device& device, Matrix<T> y, Matrix<const T> x, const At& at, const Epilogue<T>& epilogue, T* packed) {
  const Index pixels = y.columns, C = x.rows, K = y.rows;
  const Index tiles = tile_count(pixels, C), slices = channel_slices(tiles, K);
#pragma omp parallel num_threads(device.threads())
  {
#pragma omp for schedule(static)
    for (Index p = 0; p < panels<T>(K); ++p) pack_panel(packed, p, C, K, at);
#pragma omp for schedule(dynamic)
    for (Index task = 0; task < tiles * slices; ++task) {
      const Part tile(task / slices, tiles, pixels), own(task % slices, slices, panels<T>(K));
      const Matrix<T> y_tile{y.data + tile.begin * y.stride, K, tile.size(), y.stride};
      const Matrix<const T> x_tile{x.data + tile.begin * x.stride, C, tile.size(), x.stride};
      for (Index p = own.begin; p < own.end; ++p) multiply_pixels(y_tile, x_tile, {0}, packed, epilogue, p);
    }
  }
}

// Of the weights' gradient: a thread's scratch memory, a panel of x's tile and the sums [panel][K][panel's channels] of
// a slice of the panels.
struct PointwiseWeightsScratch {
  explicit PointwiseWeightsScratch(const Conv2dGeometry& g)
      : tiles(tile_count(g.pixels(), g.C)),
        chunks(weight_gradient_chunks(tiles, g.weights())),
        slices(channel_slices(chunks, g.C)),
        input(tile_pixels(g.C) * panel<float>),
        thread(input + g.K * ((g.C + slices - 1) / slices + 2 * panel<float>)) {}
  Index tiles, chunks, slices, input, thread;
};

}  // namespace

template <class T>
void conv2d_pointwise_forward(Device& device, Values<T> y, Const<Values<T>> x, const T* w, const Epilogue<T>& epilogue,
                              T* workspace, const Conv2dGeometry& g) {
  const auto at = [&](Index c, Index k) { return w[k * g.C + c]; };
  convolve(device, matrix(y), matrix(x), at, epilogue, workspace);
}

template <class T>
void conv2d_pointwise_backward_data(Device& device, Gradients<T> dx, Const<Gradients<T>> dy, const T* w, T* workspace,
                                    const Conv2dGeometry& g, Write write) {
  const auto at = [&](Index k, Index c) { return w[k * g.C + c]; };
  convolve(device, matrix(dx), matrix(dy), at, Epilogue<T>{nullptr, write}, workspace);
}

template <class T>
void conv2d_pointwise_backward_weights(Device& device, T* dw, Const<Gradients<T>> dy, Const<Values<T>> x, T* workspace,
                                       const Conv2dGeometry& g) {
  const Index C = g.C, K = g.K;
  const PointwiseWeightsScratch layout(g);
  T* partials = layout.chunks == 1 ? dw : workspace;
  T* scratch = workspace + weight_gradient_workspace(layout.chunks, g.weights());
#pragma omp parallel num_threads(device.threads())
  {
    T* input = scratch + omp_get_thread_num() * layout.thread;
    T* sums = input + layout.input;
#pragma omp for schedule(dynamic)
    for (Index task = 0; task < layout.chunks * layout.slices; ++task) {
      const Part chunk(task / layout.slices, layout.chunks, layout.tiles);
      const Part own(task % layout.slices, layout.slices, panels<T>(C));
      std::fill_n(sums, own.size() * K * panel<T>, T(0));
      for (Index index = chunk.begin; index < chunk.end; ++index) {
        const Part tile(index, layout.tiles, g.pixels());
        const Matrix<const T> x_tile{x.data + tile.begin * x.stride, C, tile.size(), x.stride};
        const Matrix<const T> dy_tile{dy.data + tile.begin * dy.stride, K, tile.size(), dy.stride};
        for (Index p = own.begin; p < own.end; ++p)
          add_pixel_products(sums + (p - own.begin) * K * panel<T>, dy_tile, panel_of_pixels(input, x_tile, p));
      }
      for (Index p = own.begin; p < own.end; ++p)
        copy_pixels(partials + task / layout.slices * g.weights() + p * panel<T>, C,
                    sums + (p - own.begin) * K * panel<T>, panel<T>, K, std::min(panel<T>, C - p * panel<T>));
    }
  }
  add_weight_gradients(device, dw, partials, layout.chunks, g.weights());
}

Index conv2d_pointwise_workspace(const Device& device, const Conv2dGeometry& g) {
  const PointwiseWeightsScratch layout(g);
  return std::max({packed_size(g.C, g.K), packed_size(g.K, g.C),
                   weight_gradient_workspace(layout.chunks, g.weights()) + device.threads() * layout.thread});
}

#define ATTNUNET_INSTANTIATE(T)                                                                                 \
  template void conv2d_pointwise_forward(Device&, Values<T>, Values<const T>, const T*, const Epilogue<T>&, T*, \
                                         const Conv2dGeometry&);                                                \
  template void conv2d_pointwise_backward_data(Device&, Gradients<T>, Gradients<const T>, const T*, T*,         \
                                               const Conv2dGeometry&, Write);                                   \
  template void conv2d_pointwise_backward_weights(Device&, T*, Gradients<const T>, Values<const T>, T*,         \
                                                  const Conv2dGeometry&);
ATTNUNET_INSTANTIATE(float)
ATTNUNET_INSTANTIATE(double)
#undef ATTNUNET_INSTANTIATE

}  // namespace attnunet::cpu
