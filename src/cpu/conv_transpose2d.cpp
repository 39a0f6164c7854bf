#include "cpu/conv_transpose2d.h"

#include <omp.h>

#include <algorithm>

#include "cpu/copy_pixels.h"
#include "cpu/pixel_product.h"
#include "cpu/weight_gradient.h"

namespace attnunet::cpu {
namespace {

// Tiles of input rows. Pixels need no neighbours, so the images of the batch follow each other as N*H rows.
struct Tiling {
  explicit Tiling(const ConvTranspose2dGeometry& g)
      : rows(g.N * g.H), height(std::max<Index>(1, tile_pixels(g.C) / g.W)), tiles((rows + height - 1) / height) {}
  Part tile(Index index) const { return {index, tiles, rows}; }

  Index rows, height, tiles;
};

constexpr Index taps = 4;  // places (i, j) of the kernel

// Output pixel (2h + i, 2w + j) of the input pixel at the beginning of a row, with tap = 2i + j.
Index first_output(const ConvTranspose2dGeometry& g, Index row, Index tap) {
  return ((2 * row + tap / 2) * 2 * g.W + tap % 2) * g.y_pixel();
}

// Of the weights' gradient: a thread's scratch memory, a panel of x's row and the sums [panel][K][panel's channels] of
// a slice of the panels.
struct WeightsScratch {
  WeightsScratch(const ConvTranspose2dGeometry& g, const Tiling& tiling)
      : chunks(weight_gradient_chunks(tiling.tiles, g.weights())),
        slices(channel_slices(taps * chunks, g.C)),
        input(g.W * panel<float>),
        thread(input + g.K * ((g.C + slices - 1) / slices + 2 * panel<float>)) {}
  Index chunks, slices, input, thread;
};

}  // namespace

template <class T>
void conv_transpose2d_forward(Device& device, T* y, const T* x, const T* w, const T* bias, T* workspace,
                              const ConvTranspose2dGeometry& g) {
  const Tiling tiling(g);
  const Index C = g.C, K = g.K, W = g.W, slices = channel_slices(tiling.tiles, K);
#pragma omp parallel num_threads(device.threads())
  {
#pragma omp for collapse(2) schedule(static)
    for (Index tap = 0; tap < taps; ++tap)
      for (Index p = 0; p < panels<T>(K); ++p)
        pack_panel(workspace + tap * packed_size(C, K), p, C, K,
                   [&](Index c, Index k) { return w[(tap * K + k) * C + c]; });
#pragma omp for schedule(dynamic)
    for (Index task = 0; task < tiling.tiles * slices; ++task) {
      const Part tile = tiling.tile(task / slices), own(task % slices, slices, panels<T>(K));
      for (Index p = own.begin; p < own.end; ++p)
        for (Index tap = 0; tap < taps; ++tap)
          for (Index h = tile.begin; h < tile.end; ++h)
            multiply_pixels(y + first_output(g, h, tap), 2 * g.y_pixel(), x + h * W * C, C, {0}, C,
                            workspace + tap * packed_size(C, K), bias, p, K, W, Write::set, Activation::none);
    }
  }
}

template <class T>
void conv_transpose2d_backward_data(Device& device, T* dx, const T* dy, const T* w, T* workspace,
                                    const ConvTranspose2dGeometry& g, Write write) {
  const Tiling tiling(g);
  const Index C = g.C, K = g.K, W = g.W, slices = channel_slices(tiling.tiles, C);
  const Index outputs[taps] = {0, first_output(g, 0, 1), first_output(g, 0, 2), first_output(g, 0, 3)};
  const T* no_bias = nullptr;
#pragma omp parallel num_threads(device.threads())
  {
#pragma omp for schedule(static)
    for (Index p = 0; p < panels<T>(C); ++p)
      pack_panel(workspace, p, taps * K, C, [&](Index tap_k, Index c) { return w[tap_k * C + c]; });
#pragma omp for schedule(dynamic)
    for (Index task = 0; task < tiling.tiles * slices; ++task) {
      const Part tile = tiling.tile(task / slices), own(task % slices, slices, panels<T>(C));
      for (Index p = own.begin; p < own.end; ++p)
        for (Index h = tile.begin; h < tile.end; ++h)
          multiply_pixels(dx + h * W * C, C, dy + first_output(g, h, 0), 2 * g.y_pixel(), outputs, K, workspace,
                          no_bias, p, C, W, write, Activation::none);
    }
  }
}

template <class T>
void conv_transpose2d_backward_weights(Device& device, T* dw, T* db, const T* dy, const T* x, T* workspace,
                                       const ConvTranspose2dGeometry& g) {
  const Tiling tiling(g);
  const WeightsScratch layout(g, tiling);
  const Index C = g.C, K = g.K, W = g.W, chunks = layout.chunks, slices = layout.slices;
  if (db != nullptr) bias_gradient(device, db, dy, workspace, taps * g.input_pixels(), K, g.y_pixel());
  T* partials = chunks == 1 ? dw : workspace;
#pragma omp parallel num_threads(device.threads())
  {
    T* input = workspace + weight_gradient_workspace(chunks, g.weights()) + omp_get_thread_num() * layout.thread;
    T* sums = input + layout.input;
#pragma omp for collapse(3) schedule(dynamic)
    for (Index index = 0; index < chunks; ++index)
      for (Index tap = 0; tap < taps; ++tap)
        for (Index slice = 0; slice < slices; ++slice) {
          const Part chunk(index, chunks, tiling.tiles), own(slice, slices, panels<T>(C));
          std::fill_n(sums, own.size() * K * panel<T>, T(0));
          for (Index h = tiling.tile(chunk.begin).begin; h < tiling.tile(chunk.end - 1).end; ++h)
            for (Index p = own.begin; p < own.end; ++p) {
              const PanelOfPixels<T> b(input, x + h * W * C, C, W, p, C);
              add_pixel_products(sums + (p - own.begin) * K * panel<T>, K, dy + first_output(g, h, tap),
                                 2 * g.y_pixel(), b.data, b.step, W);
            }
          for (Index p = own.begin; p < own.end; ++p)
            copy_pixels(partials + index * g.weights() + tap * K * C + p * panel<T>, C,
                        sums + (p - own.begin) * K * panel<T>, panel<T>, K, std::min(panel<T>, C - p * panel<T>));
        }
  }
  add_weight_gradients(device, dw, partials, chunks, g.weights());
}

Index conv_transpose2d_workspace(const Device& device, const ConvTranspose2dGeometry& g) {
  const WeightsScratch layout(g, Tiling(g));
  return std::max({taps * packed_size(g.C, g.K), packed_size(taps * g.K, g.C),
                   weight_gradient_workspace(layout.chunks, g.weights()) + device.threads() * layout.thread,
                   bias_gradient_workspace(taps * g.input_pixels(), g.K)});
}

template void conv_transpose2d_forward(Device&, float*, const float*, const float*, const float*, float*,
                                       const ConvTranspose2dGeometry&);
template void conv_transpose2d_forward(Device&, double*, const double*, const double*, const double*, double*,
                                       const ConvTranspose2dGeometry&);
template void conv_transpose2d_backward_data(Device&, float*, const float*, const float*, float*,
                                             const ConvTranspose2dGeometry&, Write);
template void conv_transpose2d_backward_data(Device&, double*, const double*, const double*, double*,
                                             const ConvTranspose2dGeometry&, Write);
template void conv_transpose2d_backward_weights(Device&, float*, float*, const float*, const float*, float*,
                                                const ConvTranspose2dGeometry&);
template void conv_transpose2d_backward_weights(Device&, double*, double*, const double*, const double*, double*,
                                                const ConvTranspose2dGeometry&);

}  // namespace attnunet::cpu
