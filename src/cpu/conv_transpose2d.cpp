#include "cpu/conv_transpose2d.h"

#include <omp.h>

#include <algorithm>

#include "cpu/conv_transpose2d_reference.h"
#include "cpu/copy_pixels.h"
#include "cpu/pixel_product.h"
#include "cpu/weight_gradient.h"

namespace attnunet::cpu {
namespace {

// Tiles of input rows. Pixels need no neighbours, so the images of the batch follow each other as N*H rows.
struct RowTiles {
  explicit RowTiles(const ConvTranspose2dGeometry& g)
      : rows(g.N * g.H), height(std::max<Index>(1, tile_pixels(g.C) / g.W)), count((rows + height - 1) / height) {}
  Part tile(Index index) const { return {index, count, rows}; }

  Index rows, height, count;
};

constexpr Index taps = 4;  // places (i, j) of the kernel

// The input pixels of a row, one by one, and the output pixels (2h + i, 2w + j) that they have in tap = 2i + j.
template <class T>
Matrix<T> input_row(Matrix<T> x, const ConvTranspose2dGeometry& g, Index row) {
  return {x.data + row * g.W * x.stride, x.rows, g.W, x.stride};
}
template <class T>
Matrix<T> output_row(Matrix<T> y, const ConvTranspose2dGeometry& g, Index row, Index tap) {
  return {y.data + ((2 * row + tap / 2) * 2 * g.W + tap % 2) * y.stride, y.rows, g.W, 2 * y.stride};
}

// Of the weights' gradient: a thread's scratch memory, a panel of x's row and the sums [panel][K][panel's channels] of
// a slice of the panels.
struct TransposedWeightsScratch {
  TransposedWeightsScratch(const ConvTranspose2dGeometry& g, const RowTiles& tiles)
      : chunks(weight_gradient_chunks(tiles.count, g.weights())),
        slices(channel_slices(taps * chunks, g.C)),
        input(g.W * panel<float>),
        thread(input + g.K * ((g.C + slices - 1) / slices + 2 * panel<float>)) {}
  Index chunks, slices, input, thread;
};

}  // namespace

template <class T>
void conv_transpose2d_forward(Device& device, Values<T> y, Const<Values<T>> x, const T* w, const T* bias, T* workspace,
                              const ConvTranspose2dGeometry& g) {
  require_shape(x, g.input_pixels(), g.C);
  require_shape(y, g.output_pixels(), g.K);
  if (device.plain_loops()) return conv_transpose2d_reference_forward(y, x, w, bias, g);
  const Matrix<T> outputs = matrix(y);
  const Matrix<const T> inputs = matrix(x);
  const RowTiles tiles(g);
  const Index C = g.C, K = g.K, slices = channel_slices(tiles.count, K);
#pragma omp parallel num_threads(device.threads())
  {
#pragma omp for collapse(2) schedule(static)
    for (Index tap = 0; tap < taps; ++tap)
      for (Index p = 0; p < panels<T>(K); ++p)
        pack_panel(workspace + tap * packed_size(C, K), p, C, K,
                   [&](Index c, Index k) { return w[(tap * K + k) * C + c]; });
#pragma omp for schedule(dynamic)
    for (Index task = 0; task < tiles.count * slices; ++task) {
      const Part tile = tiles.tile(task / slices), own(task % slices, slices, panels<T>(K));
      for (Index p = own.begin; p < own.end; ++p)
        for (Index tap = 0; tap < taps; ++tap)
          for (Index h = tile.begin; h < tile.end; ++h)
            multiply_pixels(output_row(outputs, g, h, tap), input_row(inputs, g, h), {0},
                            workspace + tap * packed_size(C, K), Epilogue<T>{bias}, p);
    }
  }
}

template <class T>
void conv_transpose2d_backward_data(Device& device, Gradients<T> dx, Const<Gradients<T>> dy, const T* w, T* workspace,
                                    const ConvTranspose2dGeometry& g, Write write) {
  require_shape(dx, g.input_pixels(), g.C);
  require_shape(dy, g.output_pixels(), g.K);
  if (device.plain_loops()) return conv_transpose2d_reference_backward_data(dx, dy, w, g, write);
  const Matrix<T> inputs = matrix(dx);
  const Matrix<const T> outputs = matrix(dy);
  const RowTiles tiles(g);
  const Index C = g.C, K = g.K, slices = channel_slices(tiles.count, C);
  const Index places[taps] = {0, dy.stride, 2 * g.W * dy.stride, (2 * g.W + 1) * dy.stride};
  const Epilogue<T> epilogue{nullptr, write};
#pragma omp parallel num_threads(device.threads())
  {
#pragma omp for schedule(static)
    for (Index p = 0; p < panels<T>(C); ++p)
      pack_panel(workspace, p, taps * K, C, [&](Index tap_k, Index c) { return w[tap_k * C + c]; });
#pragma omp for schedule(dynamic)
    for (Index task = 0; task < tiles.count * slices; ++task) {
      const Part tile = tiles.tile(task / slices), own(task % slices, slices, panels<T>(C));
      for (Index p = own.begin; p < own.end; ++p)
        for (Index h = tile.begin; h < tile.end; ++h)
          multiply_pixels(input_row(inputs, g, h), output_row(outputs, g, h, 0), places, workspace, epilogue, p);
    }
  }
}

template <class T>
void conv_transpose2d_backward_weights(Device& device, T* dw, T* db, Const<Gradients<T>> dy, Const<Values<T>> x,
                                       T* workspace, const ConvTranspose2dGeometry& g) {
  require_shape(dy, g.output_pixels(), g.K);
  require_shape(x, g.input_pixels(), g.C);
  if (device.plain_loops()) return conv_transpose2d_reference_backward_weights(dw, db, dy, x, g);
  const Matrix<const T> outputs = matrix(dy), inputs = matrix(x);
  const RowTiles tiles(g);
  const TransposedWeightsScratch layout(g, tiles);
  const Index C = g.C, K = g.K, chunks = layout.chunks, slices = layout.slices;
  if (db != nullptr) bias_gradient(device, db, dy, workspace);
  T* partials = chunks == 1 ? dw : workspace;
#pragma omp parallel num_threads(device.threads())
  {
    T* input = workspace + weight_gradient_workspace(chunks, g.weights()) + omp_get_thread_num() * layout.thread;
    T* sums = input + layout.input;
#pragma omp for collapse(3) schedule(dynamic)
    for (Index index = 0; index < chunks; ++index)
      for (Index tap = 0; tap < taps; ++tap)
        for (Index slice = 0; slice < slices; ++slice) {
          const Part chunk(index, chunks, tiles.count), own(slice, slices, panels<T>(C));
          std::fill_n(sums, own.size() * K * panel<T>, T(0));
          for (Index h = tiles.tile(chunk.begin).begin; h < tiles.tile(chunk.end - 1).end; ++h)
            for (Index p = own.begin; p < own.end; ++p)
              add_pixel_products(sums + (p - own.begin) * K * panel<T>, output_row(outputs, g, h, tap),
                                 panel_of_pixels(input, input_row(inputs, g, h), p));
          for (Index p = own.begin; p < own.end; ++p)
            copy_pixels(partials + index * g.weights() + tap * K * C + p * panel<T>, C,
                        sums + (p - own.begin) * K * panel<T>, panel<T>, K, std::min(panel<T>, C - p * panel<T>));
        }
  }
  add_weight_gradients(device, dw, partials, chunks, g.weights());
}

Index conv_transpose2d_workspace(const Device& device, const ConvTranspose2dGeometry& g) {
  if (device.plain_loops()) return 0;
  const TransposedWeightsScratch layout(g, RowTiles(g));
  return std::max({taps * packed_size(g.C, g.K), packed_size(taps * g.K, g.C),
                   weight_gradient_workspace(layout.chunks, g.weights()) + device.threads() * layout.thread,
                   bias_gradient_workspace(taps * g.input_pixels(), g.K)});
}

#define ATTNUNET_INSTANTIATE(T)                                                                             \
  template void conv_transpose2d_forward(Device&, Values<T>, Values<const T>, const T*, const T*, T*,       \
                                         const ConvTranspose2dGeometry&);                                   \
  template void conv_transpose2d_backward_data(Device&, Gradients<T>, Gradients<const T>, const T*, T*,     \
                                               const ConvTranspose2dGeometry&, Write);                      \
  template void conv_transpose2d_backward_weights(Device&, T*, T*, Gradients<const T>, Values<const T>, T*, \
                                                  const ConvTranspose2dGeometry&);
ATTNUNET_INSTANTIATE(float)
ATTNUNET_INSTANTIATE(double)
#undef ATTNUNET_INSTANTIATE

}  // namespace attnunet::cpu
